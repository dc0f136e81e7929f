"""Buckets on servers that speak S3: a Protocol of calls, boto3 behind it, and what each server can do."""
