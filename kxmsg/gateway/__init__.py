"""The product's own WebSocket gateway: what API Gateway WebSocket is on AWS, with its protocol, limits and API."""
