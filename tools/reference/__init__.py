"""The files that are made from the node's tables: the example, the pages of settings and sensors, the JSON Schema."""
