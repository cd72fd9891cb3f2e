"""Broken input of every kind against the public interface: ``python -m tests.fuzz --cases 10000 --seed 1 -j 2``.

A case is a target, a setup and a list of mutations, all of it JSON (`case`). A target draws cases and judges what came
of one (`targets`). The oracle does not ask the code under test what is broken: it compares with the unbroken input, jet
by jet. `known` lists the causes that wait to be mended.
"""
