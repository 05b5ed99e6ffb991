"""What a run did: the summary as data, its forms, progress and listeners."""
