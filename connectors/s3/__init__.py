"""Usage files that senders deliver into an S3 bucket."""
