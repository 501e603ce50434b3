"""What can happen in the business, written once for the past and for each new day."""
