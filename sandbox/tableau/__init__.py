"""A Tableau site on loopback: REST sign-in, projects, published data sources, refresh jobs."""

from sandbox.tableau.app import create_app
from sandbox.tableau.site import TableauSiteModel

__all__ = ["TableauSiteModel", "create_app"]
