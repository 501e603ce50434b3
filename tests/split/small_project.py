"""A dbt project of a dozen models, mixed and taken apart, small enough to be built within a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from split.facts import ColumnFacts, Facts, TableFacts

BRAND = ColumnFacts(commercial=("Alpha", "Beta"), enterprise=("Ent", "Fed"))
FACTS = Facts(
    tables={
        "raw.orders": TableFacts(columns={"brand": BRAND}),
        "raw.contracts": TableFacts(only="enterprise"),
        "brands": TableFacts(
            columns={
                "brand": BRAND.model_copy(update={"nullable": False}),
                "segment": ColumnFacts(commercial=("Commercial",), enterprise=("Enterprise",), nullable=False),
            }
        ),
    },
    words=("GovCloud",),
)

_YAML = """\
version: 2
sources:
  - name: raw
    schema: landing
    tables:
      - name: orders
        columns:
          - {name: id, data_type: bigint, data_tests: [unique]}
          - {name: brand, data_type: varchar}
          - {name: customer_id, data_type: bigint}
          - {name: amount, data_type: double}
          - {name: quantity, data_type: integer}
          - {name: placed, data_type: date}
      - name: contracts
        columns:
          - {name: id, data_type: bigint}
          - {name: value, data_type: double}
models:
  - name: stg_orders
    columns: [{name: id, data_tests: [unique]}]
  - name: totals
    columns: [{name: product_line, data_tests: [unique]}]
  - name: shares
    config: {meta: {owner: finance}}
"""

OLD: dict[str, str] = {
    "dbt_project.yml": (
        "name: small\nversion: '1.0'\nprofile: nobody\nmodels: {small: {+materialized: view}}\n"
        "seeds: {small: {+quote_columns: false}}\n"
    ),
    "models/models.yml": _YAML,
    "seeds/brands.csv": "brand,segment\nAlpha,Commercial\nBeta,Commercial\nEnt,Enterprise\nFed,Enterprise\n",
    "models/stg_orders.sql": (
        "select id, brand as product_line, customer_id, amount, quantity, placed\nfrom {{ source('raw', 'orders') }}\n"
    ),
    "models/with_brand.sql": "select id, product_line\nfrom {{ ref('stg_orders') }}\nwhere product_line <> 'Ent'\n",
    "models/kinds.sql": (
        "select\n    id,\n    product_line,\n    case when product_line = 'Fed' then 0.5 else 1 end as weight\n"
        "from {{ ref('stg_orders') }}\n"
    ),
    "models/lines.sql": (
        "select id, 'small' as size from {{ ref('stg_orders') }} where quantity < 5\n"
        "union all\nselect id, 'large' as size from {{ ref('stg_orders') }} where quantity >= 5\n"
        "union all\nselect id, 'gov' as size from {{ ref('stg_orders') }} where product_line = 'Fed'\n"
    ),
    "models/customers.sql": (
        "select distinct customer_id, product_line from {{ ref('stg_orders') }} where product_line <> 'Fed'\n"
    ),
    "models/totals.sql": (
        "select product_line, sum(amount) as amount, count(*) as orders\nfrom {{ ref('stg_orders') }}\n"
        "where product_line in ('Alpha', 'Beta', 'Ent')\ngroup by 1\n"
    ),
    "models/segments.sql": (
        "select o.id, b.segment\nfrom {{ ref('stg_orders') }} as o\njoin {{ ref('brands') }} as b"
        " on b.brand = o.product_line\n"
    ),
    "models/shares.sql": (
        "select\n    product_line,\n    amount,\n    amount / sum(amount) over () as share\n"
        "from {{ ref('totals') }}\n"
    ),
    "models/latest.sql": (
        "select customer_id, id\nfrom {{ ref('stg_orders') }}\n"
        "qualify row_number() over (partition by customer_id order by placed desc) = 1\n"
    ),
    "models/amounts.sql": "select amount, quantity from {{ ref('stg_orders') }}\n",
    "models/by_day.sql": (
        "select placed, sum(quantity) as quantity\nfrom {{ ref('stg_orders') }}\ngroup by placed\n"
    ),
    "models/busy_days.sql": "select placed, quantity from {{ ref('by_day') }}\n",
    "models/labelled.sql": "select id, upper(product_line) as label from {{ ref('stg_orders') }}\n",
    "models/labels.sql": "select label, count(*) as orders from {{ ref('labelled') }} group by label\n",
    "models/dated.sql": "select id, quantity, current_date as read_on\nfrom {{ ref('stg_orders') }}\n",
    "models/contract_values.sql": "select id, value\nfrom {{ source('raw', 'contracts') }}\n",
}  # fmt: skip

NEW: dict[str, str | None] = {
    "seeds/brands.csv": "brand,segment\nAlpha,Commercial\nBeta,Commercial\n",
    "models/with_brand.sql": (
        "select id, product_line\nfrom {{ ref('stg_orders') }}\nwhere product_line is not null\n"
    ),
    "models/kinds.sql": (
        "select\n    id,\n    product_line,\n    cast(1 as decimal(11, 1)) as weight\nfrom {{ ref('stg_orders') }}\n"
    ),
    "models/lines.sql": (
        "select id, 'small' as size from {{ ref('stg_orders') }} where quantity < 5\n"
        "union all\nselect id, 'large' as size from {{ ref('stg_orders') }} where quantity >= 5\n"
    ),
    "models/customers.sql": (
        "select distinct customer_id, product_line from {{ ref('stg_orders') }} where product_line is not null\n"
    ),
    "models/totals.sql": (
        "select product_line, sum(amount) as amount, count(*) as orders\nfrom {{ ref('stg_orders') }}\n"
        "where product_line in ('Alpha', 'Beta')\ngroup by 1\n"
    ),
    "models/contract_values.sql": None,
}  # fmt: skip


def write(folder: Path, *changes: Mapping[str, str | None]) -> Path:
    """The old project with these files changed, or taken out where there is None."""
    files: dict[str, str | None] = dict(OLD)
    for change in changes:
        files.update(change)
    for name, text in files.items():
        if text is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    return folder
