"""Results as files of other tools: TensorBoard and MLflow."""
