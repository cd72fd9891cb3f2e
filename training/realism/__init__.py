"""The realism report: a simulated sample beside what CMS and the reference thesis show, as figures and deviations."""
