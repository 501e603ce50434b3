"""The business itself: who exists, what happened since 2023-07-01, and what one more day brings.

`Company` holds the state as columns of numpy arrays (one `Frame` per kind of thing). `history` fills it up to the
first day, `day` moves it on, `tables` shows it as the source systems' rows, and `journal` keeps the books.
"""
