"""What all HTTP endpoints share: reading bodies, writing answers, rendering errors, CORS."""
