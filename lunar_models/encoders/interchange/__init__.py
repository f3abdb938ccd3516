"""Write encoders in the formats of other programs: the Hugging Face layout and ONNX."""
