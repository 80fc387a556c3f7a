"""The papers' theorems and figures as checks that run: a folder a paper."""
