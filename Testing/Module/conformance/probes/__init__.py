"""Small questions asked of 3D Slicer and of the harness, one function each: its answer is what the function returns.

An exception is an answer too. `../ask.py` asks them all, `../answers.json` holds what Slicer 5.12.3 answered.
"""
