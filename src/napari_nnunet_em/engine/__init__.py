"""From a volume and a model to probabilities, block by block: nnU-Net's answer in flat memory."""
