"""What every measurement needs: binning, filling, replicas, statistics, figures."""
