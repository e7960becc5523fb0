"""How deep does a plain network train? Every initialisation here beside its named peers, on the same digits.

python -m benchmarks.trainable_depth --out CELLS --workers 2   # measures what CELLS does not hold yet
python -m benchmarks.trainable_depth table --cells CELLS       # docs/trainable_depth.md and its picture
python -m benchmarks.trainable_depth ask                       # asks the peers again; writes peers.json
"""
