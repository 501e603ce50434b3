select contract_id, account_id, seats, signed_at
from {{ source('erp', 'enterprise_contracts') }}
