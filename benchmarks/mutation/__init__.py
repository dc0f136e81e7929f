"""Mutation testing of the pure and the central code: how many small wrongs would the unit tests notice?"""
