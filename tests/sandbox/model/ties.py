"""What must hold between the systems on every day: each query finds the rows that break it."""

from __future__ import annotations

_OPP = "(SELECT * FROM salesforce.Opportunity WHERE _deleted_at IS NULL)"
_INV = "(SELECT * FROM netsuite.transaction WHERE type = 'CustInvc')"
_PAY = "(SELECT * FROM netsuite.transaction WHERE type = 'CustPymt')"


def _stamps(table: str, created: str, *later: str) -> str:
    key = '"id"' if table.startswith("netsuite") else '"Id"'
    order = " OR ".join(f"{a} > {b}" for a, b in zip((created, *later), later, strict=False))
    last = (created, *later)[-1]
    wrong = f"{created} IS NULL OR {order} OR {last} < TIMESTAMP '2023-07-01'"
    return f"SELECT {key}, {created}, {last} FROM {table} WHERE {wrong}"


TIES: dict[str, str] = {
    "a zuora account belongs to a live salesforce account that buys its brand": """
        SELECT z.Id FROM zuora.Account z LEFT JOIN salesforce.Account a ON a.Id = z.CrmId AND NOT a.IsDeleted
        WHERE a.Id IS NULL OR NOT list_contains(string_split(a.Brands__c, ';'), z.Brand__c)""",
    "a customer has one zuora account per brand": """
        SELECT CrmId FROM zuora.Account GROUP BY CrmId, Brand__c HAVING count(*) > 1""",
    "a salesforce account's brands begin with its primary brand": """
        SELECT Id FROM salesforce.Account WHERE string_split(Brands__c, ';')[1] IS DISTINCT FROM Primary_Brand__c""",
    "an active salesforce account has a subscription in force and a churned one has none": """
        SELECT a.Id, a.Customer_Status__c FROM salesforce.Account a LEFT JOIN zuora.Account z ON z.CrmId = a.Id
        LEFT JOIN zuora.Subscription s ON s.AccountId = z.Id AND s.IsLatestVersion
        GROUP BY ALL HAVING a.Customer_Status__c <> CASE WHEN count(s.Id) = 0 THEN 'Prospect'
            WHEN bool_or(s.CancelledDate IS NULL OR s.CancelledDate > (SELECT max(InvoiceDate)
            FROM zuora.Invoice)) THEN 'Active' ELSE 'Churned' END""",
    "every zuora account has one netsuite customer with its brand, currency and salesforce id": """
        SELECT z.Id FROM zuora.Account z
            LEFT JOIN netsuite.customer c ON c.custentity_zuora_account_number = z.AccountNumber
            AND c.externalid = z.AccountNumber AND c.custentity_sfdc_account_id = z.CrmId
            AND c.custentity_brand = z.Brand__c
            AND c.currency = z.Currency AND c.balancesearch = z.Balance AND c._deleted_at IS NULL
        GROUP BY z.Id HAVING count(c.id) <> 1""",
    "a netsuite customer without a zuora account has no transactions": """
        SELECT c.id FROM netsuite.customer c JOIN netsuite.transaction t ON t.entity = c.id
            WHERE c.custentity_zuora_account_number IS NULL""",
    "a deleted netsuite customer has a deleted record": """
        SELECT c.id FROM netsuite.customer c FULL JOIN netsuite.DeletedRecord d ON d.recordid = c.id
        WHERE (c._deleted_at IS NOT NULL OR d.recordid IS NOT NULL) AND c._deleted_at IS DISTINCT FROM d.deleteddate""",
    "every posted zuora invoice equals its netsuite mirror to the cent": f"""
        SELECT i.Id FROM (SELECT * FROM zuora.Invoice WHERE Status = 'Posted') i LEFT JOIN {_INV} n
            ON n.custbody_zuora_invoice_number = i.InvoiceNumber AND n.externalid = i.InvoiceNumber
        LEFT JOIN netsuite.customer c ON c.id = n.entity LEFT JOIN zuora.Account z ON z.Id = i.AccountId
        WHERE n.id IS NULL OR n.foreigntotal <> i.Amount OR n.custbody_amount_net <> i.AmountWithoutTax
            OR n.taxtotal <> i.TaxAmount
            OR n.foreignamountpaid <> i.PaymentAmount OR n.foreignamountunpaid <> i.Balance
            OR n.currency <> i.Currency OR n.voided
            OR n.custbody_brand <> i.Brand__c OR n.custbody_zuora_account_number <> z.AccountNumber
            OR c.custentity_zuora_account_number <> z.AccountNumber OR n.trandate <> i.InvoiceDate
            OR n.duedate <> i.DueDate""",
    "a netsuite invoice mirrors a posted or cancelled zuora invoice": f"""
        SELECT n.id FROM {_INV} n LEFT JOIN zuora.Invoice i ON i.InvoiceNumber = n.custbody_zuora_invoice_number
        WHERE i.Id IS NULL OR i.Status = 'Draft' OR (i.Status = 'Canceled') <> n.voided""",
    "every processed zuora payment equals its netsuite mirror to the cent": f"""
        SELECT p.Id FROM (SELECT * FROM zuora.Payment WHERE Status = 'Processed') p LEFT JOIN {_PAY} n
            ON n.custbody_zuora_payment_number = p.PaymentNumber AND n.externalid = p.PaymentNumber
        LEFT JOIN zuora.Invoice i ON i.Id = p.Invoice_Id__c LEFT JOIN {_INV} m ON m.id = n.custbody_applied_invoice
        WHERE n.id IS NULL OR n.foreigntotal <> p.Amount OR n.currency <> p.Currency OR n.custbody_brand <> p.Brand__c
            OR n.trandate <> p.EffectiveDate OR m.custbody_zuora_invoice_number IS DISTINCT FROM i.InvoiceNumber
            OR m.entity <> n.entity""",
    "failed payments are not in netsuite": f"""
        SELECT p.Id FROM zuora.Payment p JOIN {_PAY} n ON n.custbody_zuora_payment_number = p.PaymentNumber
            WHERE p.Status <> 'Processed'""",
    "an invoice's payments are the sum of its processed payments": """
        SELECT i.Id FROM zuora.Invoice i LEFT JOIN zuora.Payment p ON p.Invoice_Id__c = i.Id
            AND p.Status = 'Processed' GROUP BY ALL
        HAVING any_value(i.PaymentAmount) <> coalesce(sum(p.Amount), 0)
            OR any_value(i.RefundAmount) <> coalesce(sum(p.RefundAmount), 0)""",
    "an invoice adds up": """
        SELECT Id FROM zuora.Invoice WHERE Amount <> AmountWithoutTax + TaxAmount OR Balance < 0
            OR Balance <> CASE Status WHEN 'Canceled' THEN 0
            ELSE Amount - PaymentAmount - AdjustmentAmount + RefundAmount END""",
    "a zuora account's balance is what its posted invoices owe": """
        SELECT z.Id FROM zuora.Account z LEFT JOIN zuora.Invoice i ON i.AccountId = z.Id
            AND i.Status = 'Posted' GROUP BY ALL
        HAVING any_value(z.Balance) <> coalesce(sum(i.Balance), 0) OR any_value(z.LastInvoiceDate) IS DISTINCT
            FROM max(i.InvoiceDate)""",
    "currency and brand are the zuora account's on everything of it": """
        SELECT Id FROM (
            SELECT Id, AccountId, Brand__c, Currency__c AS currency FROM zuora.Subscription
            UNION ALL SELECT Id, AccountId, Brand__c, Currency FROM zuora.Invoice
            UNION ALL SELECT Id, AccountId, Brand__c, Currency FROM zuora.Payment
        ) x JOIN zuora.Account z ON z.Id = x.AccountId WHERE x.Brand__c <> z.Brand__c
            OR x.currency <> z.Currency""".replace(
        "SELECT Id FROM (", "SELECT x.Id FROM ("
    ),
    "an invoice names a subscription of its account": """
        SELECT i.Id FROM zuora.Invoice i LEFT JOIN zuora.Subscription s ON s.Name = i.Subscription_Number__c
            AND s.AccountId = i.AccountId AND s.IsLatestVersion
        WHERE s.Id IS NULL""",
    "versions of a subscription are numbered from one and point to the one before": """
        SELECT s.Id FROM zuora.Subscription s LEFT JOIN zuora.Subscription b ON b.Id = s.PreviousSubscriptionId
            AND b.Name = s.Name
        LEFT JOIN zuora.Subscription o ON o.Id = s.OriginalId AND o.Name = s.Name
        WHERE (s.Version = 1 AND (s.PreviousSubscriptionId IS NOT NULL OR s.OriginalId <> s.Id
            OR s.Change_Type__c <> 'New'))
            OR (s.Version > 1 AND (b.Version IS DISTINCT FROM s.Version - 1
            OR b.LastBookingDate > s.LastBookingDate OR b.IsLatestVersion OR b.Status <> 'Expired'))
            OR o.Version IS DISTINCT FROM 1""",
    "one version of a subscription is the latest": """
        SELECT Name FROM zuora.Subscription GROUP BY Name HAVING count(*) FILTER (WHERE IsLatestVersion) <> 1
            OR max(Version) FILTER (WHERE IsLatestVersion) <> count(*)""",
    "a cancelled subscription has a cancellation date and no other has": """
        SELECT Id FROM zuora.Subscription WHERE (Status = 'Cancelled') <> (CancelledDate IS NOT NULL)
            OR (Status = 'Cancelled') <> (Change_Type__c = 'Cancellation') OR CancelledDate < LastBookingDate""",
    "arr is twelve times mrr, and mrr the sum of the rate plans": """
        SELECT s.Id FROM zuora.Subscription s LEFT JOIN zuora.RatePlan r ON r.SubscriptionId = s.Id GROUP BY ALL
        HAVING any_value(s.ARR__c) <> 12 * any_value(s.MRR__c) OR coalesce(sum(r.MRR__c), 0) <> any_value(s.MRR__c)
            OR bool_or(r.MRR__c <> round(r.Quantity__c * r.Unit_Price__c, 2)) OR any_value(s.MRR__c) <= 0""",
    "a rate plan's product is of the subscription's brand": """
        SELECT r.Id FROM zuora.RatePlan r LEFT JOIN zuora.Subscription s ON s.Id = r.SubscriptionId
            LEFT JOIN zuora.Product p ON p.Id = r.ProductId
        WHERE p.Brand__c IS DISTINCT FROM s.Brand__c""",
    "an upgrade raises mrr and a downgrade lowers it": """
        SELECT s.Id FROM zuora.Subscription s JOIN zuora.Subscription b ON b.Id = s.PreviousSubscriptionId
        WHERE (s.Change_Type__c = 'Upgrade' AND s.MRR__c <= b.MRR__c) OR (s.Change_Type__c = 'Downgrade'
            AND s.MRR__c >= b.MRR__c)
            OR (s.Change_Type__c = 'Cancellation' AND s.MRR__c <> b.MRR__c)""",
    "a netsuite subscription shows the latest version": """
        SELECT s.Name FROM (SELECT * FROM zuora.Subscription WHERE IsLatestVersion) s LEFT JOIN netsuite.subscription n
            ON n.custrecord_zuora_subscription_number = s.Name AND n.externalid = s.Name
        LEFT JOIN netsuite.customer c ON c.id = n.customer LEFT JOIN zuora.Account z ON z.Id = s.AccountId
        WHERE n.id IS NULL OR n.custrecord_monthly_amount <> s.MRR__c OR n.custrecord_annual_amount <> s.ARR__c
            OR n.currency <> s.Currency__c
            OR n.custrecord_brand <> s.Brand__c OR c.custentity_zuora_account_number <> z.AccountNumber
            OR (n.billingsubscriptionstatus = 'TERMINATED') <> (s.Status = 'Cancelled')
            OR n.enddate <> s.SubscriptionEndDate""",
    "items and products are the same": """
        SELECT p.Id FROM zuora.Product p FULL JOIN netsuite.item i ON i.id::VARCHAR = p.NetSuite_Item_Id__c
        WHERE p.SKU IS DISTINCT FROM i.custitem_product_code OR p.Brand__c IS DISTINCT FROM i.custitem_brand""",
    "a won deal names its subscription, brand and currency, and the subscription a won deal of it": f"""
        SELECT o.Id FROM {_OPP} o LEFT JOIN zuora.Subscription s ON s.Name = o.Zuora_Subscription_Number__c
            AND s.IsLatestVersion
        LEFT JOIN zuora.Account z ON z.Id = s.AccountId
        WHERE o.IsWon <> (o.Zuora_Subscription_Number__c IS NOT NULL) OR (o.IsWon AND (z.CrmId IS DISTINCT
            FROM o.AccountId
            OR z.Brand__c <> o.Brand__c OR z.Currency <> o.CurrencyIsoCode))""",
    "a subscription version names a won deal that names the subscription": f"""
        SELECT s.Id FROM zuora.Subscription s LEFT JOIN {_OPP} o ON o.Id = s.SFDC_Opportunity_Id__c
        WHERE o.Id IS NULL OR NOT o.IsWon OR o.IsDeleted OR o.Zuora_Subscription_Number__c <> s.Name""",
    "every won deal but a double is named by a version": f"""
        SELECT o.Id FROM {_OPP} o LEFT JOIN zuora.Subscription s ON s.SFDC_Opportunity_Id__c = o.Id
        WHERE o.IsWon GROUP BY ALL HAVING count(s.Id) = 0""",
    "a deal's amount is the sum of its line items": f"""
        SELECT o.Id FROM {_OPP} o LEFT JOIN salesforce.OpportunityLineItem l ON l.OpportunityId = o.Id
            AND l.IsDeleted = o.IsDeleted
        GROUP BY ALL HAVING any_value(o.HasOpportunityLineItem) <> (count(l.Id) > 0)
            OR (count(l.Id) > 0 AND any_value(NOT o.IsDeleted) AND any_value(o.Amount) <> sum(l.TotalPrice))""",
    "a line item's price is its quantity times its unit price less its discount": """
        SELECT Id FROM salesforce.OpportunityLineItem WHERE Subtotal <> round(Quantity * UnitPrice, 2)
            OR TotalPrice <> round(Subtotal * (100 - coalesce(Discount, 0))::DECIMAL(5, 2) * 0.01, 2)""",
    "a line item's product is in the catalogue of the deal's brand": f"""
        SELECT l.Id FROM salesforce.OpportunityLineItem l LEFT JOIN {_OPP} o ON o.Id = l.OpportunityId
            LEFT JOIN zuora.Product p ON p.SKU = l.ProductCode
        WHERE p.Brand__c IS DISTINCT FROM o.Brand__c OR l.CurrencyIsoCode <> o.CurrencyIsoCode""",
    "a deal's stage says whether it is closed and won, how likely it is, and how it is forecast": f"""
        SELECT Id FROM {_OPP} WHERE IsClosed <> (StageName LIKE 'Closed%') OR IsWon <> (StageName = 'Closed Won')
            OR Probability <> CASE StageName WHEN 'Prospecting' THEN 10 WHEN 'Qualification' THEN 25
            WHEN 'Proposal' THEN 50
                WHEN 'Negotiation' THEN 75 WHEN 'Closed Won' THEN 100 ELSE 0 END
            OR (ForecastCategory = 'Closed') <> IsWon OR (ForecastCategory = 'Omitted') <> (StageName = 'Closed Lost')
            OR (Loss_Reason__c IS NOT NULL) <> (StageName = 'Closed Lost')
            OR ExpectedRevenue <> round(Amount * Probability::DECIMAL(5, 2) * 0.01, 2)""",
    "a closed deal closed on the day of its last stage change, at most today": f"""
        SELECT Id FROM {_OPP} WHERE IsClosed AND (CloseDate <> LastStageChangeDate::DATE) AND NOT IsDeleted""",
    "a converted lead has its account, contact and deal, of its brand and name": """
        SELECT l.Id FROM salesforce.Lead l LEFT JOIN salesforce.Account a ON a.Id = l.ConvertedAccountId
        LEFT JOIN salesforce.Contact c ON c.Id = l.ConvertedContactId
            LEFT JOIN salesforce.Opportunity o ON o.Id = l.ConvertedOpportunityId
        WHERE l.IsConverted AND (a.Id IS NULL OR o.AccountId IS DISTINCT FROM a.Id OR c.AccountId IS DISTINCT
            FROM a.Id OR o.Brand__c <> l.Brand__c
            OR c.LastName <> l.LastName OR l.Company <> a.Name OR l.Status <> 'Converted'
            OR l.ConvertedDate < l.CreatedDate::DATE)
            OR (NOT l.IsConverted
            AND coalesce(l.ConvertedAccountId, l.ConvertedContactId, l.ConvertedOpportunityId,
            l.ConvertedDate::VARCHAR) IS NOT NULL)""",
    "a campaign member is one live person in one campaign of the person's brand": """
        SELECT m.Id FROM salesforce.CampaignMember m LEFT JOIN salesforce.Campaign k ON k.Id = m.CampaignId
        LEFT JOIN salesforce.Lead l ON l.Id = m.LeadId LEFT JOIN salesforce.Contact c ON c.Id = m.ContactId
            LEFT JOIN salesforce.Account a ON a.Id = c.AccountId
        WHERE k.Id IS NULL OR (l.Id IS NULL) = (c.Id IS NULL) OR coalesce(l.Brand__c, a.Primary_Brand__c) <> k.Brand__c
            OR m.LeadOrContactId <> coalesce(m.LeadId, m.ContactId) OR (NOT m.IsDeleted
            AND (coalesce(l.IsDeleted, c.IsDeleted)
            OR coalesce(l._deleted_at, c._deleted_at) IS NOT NULL))
            OR m.HasResponded <> (m.FirstRespondedDate IS NOT NULL)""",
    "nobody is twice in a campaign": """
        SELECT CampaignId FROM salesforce.CampaignMember WHERE NOT IsDeleted
            GROUP BY CampaignId, LeadOrContactId HAVING count(*) > 1""",
    "a lead's campaign is of its brand": """
        SELECT l.Id FROM salesforce.Lead l JOIN salesforce.Campaign k ON k.Id = l.Campaign__c
            WHERE k.Brand__c IS DISTINCT FROM l.Brand__c""",
    "a deal's campaign is of its brand and currency, its contact of its account": f"""
        SELECT o.Id FROM {_OPP} o LEFT JOIN salesforce.Campaign k ON k.Id = o.CampaignId
            LEFT JOIN salesforce.Contact c ON c.Id = o.ContactId
        WHERE k.Brand__c <> o.Brand__c OR k.CurrencyIsoCode <> o.CurrencyIsoCode OR (c.AccountId <> o.AccountId
            AND NOT c.IsDeleted)""",
    "a campaign's counts are its members and deals": """
        WITH m AS (SELECT CampaignId, count(*) FILTER (WHERE LeadId IS NOT NULL) AS leads,
            count(*) FILTER (WHERE ContactId IS NOT NULL) AS contacts,
                count(*) FILTER (WHERE HasResponded) AS responses FROM salesforce.CampaignMember
                WHERE NOT IsDeleted GROUP BY ALL),
            d AS (SELECT CampaignId, count(*) AS deals, count(*) FILTER (WHERE IsWon) AS won,
            sum(Amount) FILTER (WHERE IsWon) AS amount
                FROM salesforce.Opportunity WHERE NOT IsDeleted GROUP BY ALL)
        SELECT k.Id FROM salesforce.Campaign k LEFT JOIN m ON m.CampaignId = k.Id LEFT JOIN d ON d.CampaignId = k.Id
        WHERE k.NumberOfLeads <> coalesce(leads, 0) OR k.NumberOfContacts <> coalesce(contacts, 0)
            OR k.NumberOfResponses <> coalesce(responses, 0)
            OR k.NumberOfOpportunities <> coalesce(deals, 0) OR k.NumberOfWonOpportunities <> coalesce(won, 0)
            OR k.AmountWonOpportunities <> coalesce(amount, 0)""",
    "a merged account points to a live one and has nothing left": """
        SELECT a.Id FROM salesforce.Account a LEFT JOIN salesforce.Account w ON w.Id = a.MasterRecordId
            AND NOT w.IsDeleted
        LEFT JOIN salesforce.Contact c ON c.AccountId = a.Id LEFT JOIN salesforce.Opportunity o ON o.AccountId = a.Id
        WHERE a.MasterRecordId IS NOT NULL AND (w.Id IS NULL OR NOT a.IsDeleted OR c.Id IS NOT NULL
            OR o.Id IS NOT NULL OR a.Name <> w.Name)""",
    "every owner is a user": """
        SELECT x.Id FROM (SELECT Id, OwnerId FROM salesforce.Account UNION ALL SELECT Id, OwnerId
            FROM salesforce.Contact UNION ALL SELECT Id, OwnerId FROM salesforce.Lead
            UNION ALL SELECT Id, OwnerId FROM salesforce.Opportunity UNION ALL SELECT Id, OwnerId
            FROM salesforce.Campaign) x
        LEFT JOIN salesforce.User u ON u.Id = x.OwnerId WHERE u.Id IS NULL""",
    "every contact has an account, every deal an account": """
        SELECT x.Id FROM (SELECT Id, AccountId FROM salesforce.Contact UNION ALL SELECT Id, AccountId
            FROM salesforce.Opportunity) x
        LEFT JOIN salesforce.Account a ON a.Id = x.AccountId WHERE a.Id IS NULL""",
    **{
        f"stamps of salesforce {table} are in order": _stamps(f"salesforce.{table}", "CreatedDate",
            "LastModifiedDate", "SystemModstamp")
        for table in ("Account", "Contact", "Lead", "Campaign", "CampaignMember", "Opportunity",
            "OpportunityLineItem", "User")
    },
    **{
        f"stamps of zuora {table} are in order": _stamps(f"zuora.{table}", "CreatedDate", "UpdatedDate")
        for table in ("Account", "Subscription", "RatePlan", "Invoice", "Payment", "Product")
    },
    **{
        f"stamps of netsuite {table} are in order": _stamps(f"netsuite.{table}", created, "lastmodifieddate")
        for table, created in (("customer", "datecreated"), ("subscription", "datecreated"), ("transaction",
            "createddate"), ("item", "createddate"))
    },
}  # fmt: skip
