"""Certificates as rows of a table.

Not a proof: `predictor.certify` makes and checks them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predictor.certify import Certificate


def describe_certificate(certificate: "Certificate") -> dict[str, Any]:
    """Give what a user wants to know of a certificate.

    Args:
        certificate: the certificate.

    Returns:
        Column to value; no lambda means always the dearest scale.
    """
    return {
        "alpha": certificate.alpha,
        "delta": certificate.delta,
        "lambda": certificate.lam,
        "regressions": certificate.risk,
        "tokens": certificate.tokens,
        "images": certificate.images,
    }
