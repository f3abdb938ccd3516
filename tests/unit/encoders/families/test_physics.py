"""Test the encoder that learns degradation from rendered craters."""

from encoder_contract import EncoderContract, SeesViews


class TestPhysics(SeesViews, EncoderContract):
    name = "physics"
    overfit = 0.8
