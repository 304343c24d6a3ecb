"""The panels of the dashboards; grafana/build.py writes Grafana's JSON from them."""
