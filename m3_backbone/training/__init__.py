"""Fine-tuning: losses, packing, the loop, and how m3-mini begins."""
