"""How long and how large measurements may become."""

#: Rounds of a slow module, when time is over.
LEAST_ROUNDS = 3
#: Of the time for the rounds: how much for starting one copy after the other, and for keeping some, of each module.
SHARE = 0.1
#: The most copies in a row, and alive at the same time; bytes that the latter may take.
MOST_IN_A_ROW = 10_000
MOST_ALIVE = 16
MOST_MEMORY = 512 << 20
