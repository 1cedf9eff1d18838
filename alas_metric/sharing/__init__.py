"""A finished run as a data set for others: Parquet, a card, figures; on the hub if wanted."""
