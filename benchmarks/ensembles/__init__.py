"""How fast do 100 small networks train at once, beside the machine's own matrix products and the named peers?

python -m benchmarks.ensembles --out FILE          # everything, with the tables at the end
python -m benchmarks.ensembles --out FILE --quick  # one activation, one depth, few rounds
python -m benchmarks.ensembles table FILE          # the tables again
"""
