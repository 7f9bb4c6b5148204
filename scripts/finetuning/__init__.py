"""The parts of `m3scale finetune`."""
