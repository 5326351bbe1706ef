"""A broker that outlives its computers: three NATS servers with JetStream, and the proof that no reading is lost when one of them dies."""
