"""Libraries nobody here wrote, without network and with a fixed backend; set before anything imports them."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["DDE_BACKEND"] = "pytorch"
