"""A Kubernetes API with a Job controller and a kubelet that runs pods as processes of this machine. See README.md."""
