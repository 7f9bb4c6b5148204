"""A server that speaks as vLLM's does with the plug-in, started as a process of its own.

python upstream.py TOKENIZER [PIECE_SECONDS]: prints its port. It answers from what it is sent: the
words of the last line, backwards.
"""

import base64
import io
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from tokenizers import Tokenizer

SETTINGS = {"stream": True, "logprobs": True, "return_tokens_as_token_ids": True}


def answer(text):
    """Say the last line's words backwards."""
    return " ".join(reversed(text.splitlines()[-1].split()))


class Upstream(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        wrong = ["model"] if "model" in body else []
        wrong += [name for name, value in SETTINGS.items() if body.get(name) != value]
        [message] = body["messages"]
        *images, text = message["content"]
        tokens = [np.load(io.BytesIO(base64.b64decode(one["image_embeds"]))) for one in images]
        # Of several images vLLM takes two dimensions alone.
        wrong += ["shape" for one in tokens if one.ndim != 2 or one.dtype != np.float32]
        if wrong or text["text"].count("<image>") != len(tokens):
            self.send_response(400)
            self.end_headers()
            self.wfile.write(f"wrong: {wrong}".encode())
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.write_answer(body, text["text"], tokens)

    def write_answer(self, body, text, tokens):
        read = len(self.server.tokenizer.encode(text).ids)
        read += sum(len(one) - 1 for one in tokens)
        read += "count wrongly" in text
        # vLLM's count comes with every event where that is asked for; older servers do not know it.
        continuous = body.get("stream_options", {}).get("continuous_usage_stats")
        known = {"usage": {"prompt_tokens": read}}
        told = known if continuous and "at the end" not in text else {}
        self.write({"choices": [{"delta": {"role": "assistant", "content": ""}}], **told})
        said = self.server.tokenizer.encode(answer(text), add_special_tokens=False).ids
        said = said[: body["max_tokens"]]
        for one in said:
            time.sleep(self.server.seconds)
            top = [{"token": f"token_id:{one}", "logprob": -0.5}]
            top.append({"token": "token_id:5", "logprob": -1.5})
            logprobs = {"content": [{**top[0], "top_logprobs": top}]}
            choice = {"delta": {"content": "?"}, "logprobs": logprobs}
            self.write({"choices": [choice], **told})
        end = "length" if len(said) == body["max_tokens"] else "stop"
        self.write({"choices": [{"delta": {}, "finish_reason": end}]})
        self.write({"choices": [], **known})
        self.wfile.write(b"data: [DONE]\n\n")

    def write(self, event):
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())

    def log_message(self, *_):
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    server.tokenizer = Tokenizer.from_file(sys.argv[1])
    server.seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
