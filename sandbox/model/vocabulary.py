"""Words that companies, people and places are made of."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A city with one postal code. `currency` indexes `brands.CURRENCIES`; `tax` is in 1/10,000 of the net amount."""

    country: str
    code: str
    city: str
    state: str | None
    postal_code: str
    weight: float
    currency: int
    tax: int
    dial: str
    domain: str


_US, _GB, _AU = ("United States", "US"), ("United Kingdom", "GB"), ("Australia", "AU")
PLACES: tuple[Place, ...] = (
    Place(*_US, "Boston", "Massachusetts", "02108", 5, 0, 0, "+1 (617)", "com"),
    Place(*_US, "Cambridge", "Massachusetts", "02139", 2, 0, 0, "+1 (617)", "com"),
    Place(*_US, "Newark", "New Jersey", "07102", 3, 0, 0, "+1 (973)", "com"),
    Place(*_US, "Hartford", "Connecticut", "06103", 2, 0, 0, "+1 (860)", "com"),
    Place(*_US, "Portland", "Maine", "04101", 1, 0, 0, "+1 (207)", "com"),
    Place(*_US, "Burlington", "Vermont", "05401", 1, 0, 0, "+1 (802)", "com"),
    Place(*_US, "New York", "New York", "10013", 9, 0, 888, "+1 (212)", "com"),
    Place(*_US, "Brooklyn", "New York", "11201", 3, 0, 888, "+1 (718)", "com"),
    Place(*_US, "Philadelphia", "Pennsylvania", "19103", 3, 0, 800, "+1 (215)", "com"),
    Place(*_US, "Atlanta", "Georgia", "30303", 3, 0, 0, "+1 (404)", "com"),
    Place(*_US, "Miami", "Florida", "33131", 2, 0, 0, "+1 (305)", "com"),
    Place(*_US, "Nashville", "Tennessee", "37203", 5, 0, 0, "+1 (615)", "com"),
    Place(*_US, "Indianapolis", "Indiana", "46204", 2, 0, 0, "+1 (317)", "com"),
    Place(*_US, "Chicago", "Illinois", "60607", 5, 0, 0, "+1 (312)", "com"),
    Place(*_US, "Minneapolis", "Minnesota", "55401", 2, 0, 0, "+1 (612)", "org"),
    Place(*_US, "Austin", "Texas", "78701", 4, 0, 660, "+1 (512)", "com"),
    Place(*_US, "Dallas", "Texas", "75201", 3, 0, 660, "+1 (214)", "com"),
    Place(*_US, "Denver", "Colorado", "80202", 3, 0, 0, "+1 (303)", "io"),
    Place(*_US, "Salt Lake City", "Utah", "84101", 2, 0, 0, "+1 (801)", "com"),
    Place(*_US, "San Francisco", "California", "94107", 5, 0, 0, "+1 (415)", "io"),
    Place(*_US, "Los Angeles", "California", "90017", 4, 0, 0, "+1 (213)", "com"),
    Place(*_US, "Seattle", "Washington", "98101", 3, 0, 1035, "+1 (206)", "com"),
    Place("Canada", "CA", "Toronto", "Ontario", "M5V 2T6", 2, 0, 0, "+1 (416)", "ca"),
    Place("Canada", "CA", "Montréal", "Quebec", "H3B 1A7", 1, 0, 0, "+1 (514)", "ca"),
    Place("Germany", "DE", "Dresden", "Sachsen", "01067", 1, 0, 0, "+49 351", "de"),
    Place("Germany", "DE", "München", "Bayern", "80331", 1, 0, 0, "+49 89", "de"),
    Place("France", "FR", "Nîmes", None, "30000", 0.7, 0, 0, "+33 4", "fr"),
    Place("France", "FR", "Bourg-en-Bresse", None, "01000", 0.5, 0, 0, "+33 4", "fr"),
    Place("Spain", "ES", "A Coruña", "Galicia", "15001", 0.6, 0, 0, "+34 981", "es"),
    Place("Italy", "IT", "Roma", "Lazio", "00184", 0.6, 0, 0, "+39 06", "it"),
    Place("Netherlands", "NL", "'s-Hertogenbosch", None, "5211 JX", 0.6, 0, 0, "+31 73", "nl"),
    Place("Sweden", "SE", "Göteborg", None, "411 03", 0.5, 0, 0, "+46 31", "se"),
    Place("Poland", "PL", "Łódź", "Łódzkie", "90-001", 0.5, 0, 0, "+48 42", "pl"),
    Place("Ireland", "IE", "Dublin", "Leinster", "D02 AF30", 0.7, 0, 0, "+353 1", "ie"),
    Place("Brazil", "BR", "São Paulo", "São Paulo", "01310-100", 0.7, 0, 0, "+55 11", "com.br"),
    Place("Mexico", "MX", "Ciudad de México", None, "06600", 0.5, 0, 0, "+52 55", "mx"),
    Place("Japan", "JP", "東京", "東京都", "100-0001", 0.5, 0, 0, "+81 3", "jp"),
    Place(*_GB, "London", "Greater London", "EC1A 1BB", 6, 1, 2000, "+44 20", "co.uk"),
    Place(*_GB, "Manchester", None, "M1 1AE", 2, 1, 2000, "+44 161", "co.uk"),
    Place(*_GB, "Edinburgh", "Scotland", "EH1 1YZ", 2, 1, 2000, "+44 131", "co.uk"),
    Place(*_AU, "Sydney", "New South Wales", "2000", 2.6, 2, 1000, "+61 2", "com.au"),
    Place(*_AU, "Melbourne", "Victoria", "3000", 1.6, 2, 1000, "+61 3", "com.au"),
    Place(*_AU, "Darwin", "Northern Territory", "0800", 0.5, 2, 1000, "+61 8", "com.au"),
)  # fmt: skip

STREETS = (
    "Main Street", "Market Street", "High Street", "Station Road", "King Street", "Park Avenue", "Church Lane",
    "Mill Road", "Queen's Parade", "Lakeview Drive", "Harbour Esplanade", "Commerce Way", "Second Avenue",
    "Old Post Road", "Elm Court",
)  # fmt: skip
SUITES = ("", "", "", ", Suite 200", ", Floor 3", "\nBuilding B", "\nUnit 4, Rear")

ROOTS = (
    "Acorn", "Alder", "Amber", "Anchor", "Apex", "Arbor", "Aspen", "Atlas", "Aurora", "Beacon", "Birch", "Bluebird",
    "Bright", "Bridge", "Cascade", "Cedar", "Cinder", "Clarity", "Clover", "Cobalt", "Comet", "Copper", "Coral",
    "Crescent", "Delta", "Drift", "Eagle", "Echo", "Elm", "Ember", "Evergreen", "Falcon", "Fern", "Fieldstone",
    "Flint", "Forge", "Foxglove", "Garnet", "Glacier", "Granite", "Harbor", "Harvest", "Hawthorn", "Hazel", "Heron",
    "Highland", "Horizon", "Indigo", "Iris", "Ivory", "Jade", "Juniper", "Keystone", "Kestrel", "Lantern", "Larch",
    "Laurel", "Liberty", "Lighthouse", "Linden", "Lotus", "Lumen", "Lynx", "Magnolia", "Maple", "Marigold",
    "Meridian", "Mesa", "Mistral", "Monarch", "Nimbus", "North Star", "Nova", "Oak", "Obsidian", "Olive", "Onyx",
    "Orchard", "Osprey", "Otter", "Pebble", "Pelican", "Pine", "Pioneer", "Prairie", "Quarry", "Quartz", "Raven",
    "Redwood", "Ridge", "River", "Rowan", "Saffron", "Sage", "Sequoia", "Silver", "Solstice", "Sparrow", "Spruce",
    "Summit", "Sycamore", "Tamarack", "Terra", "Thistle", "Timber", "Topaz", "Tundra", "Umber", "Valley", "Verdant",
    "Vista", "Walnut", "Wexford", "Willow", "Winter", "Yarrow", "Zephyr", "Zinnia", "Müller", "Ångström", "Óbidos",
    "Señora", "Café Noir", "Łukasz", "Žižka", "O'Brien", "D'Angelo",
)  # fmt: skip
TRADES = (
    "Analytics", "Apparel", "Arts", "Athletics", "Bank", "Books", "Brewing", "Bikes", "Capital", "Church", "Cinema",
    "Clinic", "Coffee", "College", "Communications", "Credit Union", "Dental", "Design", "Digital", "Energy",
    "Events", "Fitness", "Foods", "Foundation", "Furniture", "Games", "Gardens", "Health", "Home", "Hospitality",
    "Hotels", "Insurance", "Jewellery", "Labs", "Legal", "Library", "Logistics", "Marketing", "Media", "Museum",
    "Music", "Networks", "Optics", "Outdoors", "Partners", "Pets", "Pharma", "Press", "Properties", "Radio", "Realty",
    "Robotics", "School District", "Software", "Solutions", "Sports", "Studios", "Theatre", "Toys", "Travel",
    "University", "Ventures", "Wines", "Works",
)  # fmt: skip
FORMS = (
    "", "", "", "", " Inc.", ", Inc.", " LLC", ", LLC", " Group", " & Co.", " Ltd", " Company", " Holdings",
    " (West)", " - HQ",
)  # fmt: skip
ODD_COMPANIES = {
    17: "NA", 42: "null", 77: "None", 118: "Smith, Jones & Partners, LLC", 163: "\"Big\" Dave's Pizza",
    204: "東京メディア株式会社", 251: "Têxtil São João S.A.", 307: "Bürgermeister & Söhne GmbH",
    355: "  Leading Space Ltd", 402: "Nil", 466: "Žluťoučký kůň s.r.o.", 519: "Rock 'n' Roll Records",
    577: "🌵 Cactus Outfitters", 640: "TRUE", 702: "0042 Studios", 768: "N/A", 812: "A\\B Testing; Co.",
}  # fmt: skip

FIRST_NAMES = (
    "Aaron", "Abigail", "Adele", "Ahmed", "Aisha", "Alan", "Alejandro", "Alice", "Amara", "Amelia", "Andrea",
    "Andrew", "Anna", "Anneli", "Antonio", "Ben", "Bianca", "Brandon", "Brigitte", "Caleb", "Carla", "Carlos",
    "Charlotte", "Chen", "Chloë", "Christopher", "Claire", "Daniel", "Danielle", "David", "Deepa", "Diego", "Dmitri",
    "Eleanor", "Elena", "Eli", "Emily", "Emma", "Ethan", "Fatima", "Felix", "Fiona", "François", "Gabriel", "Gemma",
    "George", "Grace", "Grzegorz", "Hannah", "Harper", "Hiroshi", "Ian", "Ibrahim", "Imani", "Ingrid", "Isaac",
    "Isabella", "Jack", "Jacob", "Jade", "Jasmine", "Jean-Luc", "Jessica", "Joaquín", "John", "Jonas", "José",
    "Julia", "Kai", "Karen", "Katarzyna", "Keisha", "Kevin", "Laila", "Laura", "Leo", "Liam", "Linda", "Lucía",
    "Lucy", "Marcus", "Maria", "Mark", "Mateo", "Maya", "Megan", "Michael", "Mia", "Mohammed", "Naomi", "Natalie",
    "Nathan", "Nia", "Nicole", "Noah", "Olga", "Oliver", "Olivia", "Omar", "Oscar", "Patrick", "Paula", "Peter",
    "Priya", "Rachel", "Rafael", "Rebecca", "Renée", "Robert", "Rosa", "Ryan", "Samuel", "Sarah", "Sean", "Sofia",
    "Søren", "Stephen", "Susan", "Tariq", "Thomas", "Valentina", "Victor", "Wei", "William", "Yasmin", "Yuki", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Adams", "Ali", "Allen", "Anderson", "Andersson", "Bailey", "Baker", "Barnes", "Bauer", "Bennett", "Bianchi",
    "Brown", "Campbell", "Carter", "Castro", "Chen", "Clark", "Cohen", "Collins", "Cooper", "Costa", "Cruz", "Davies",
    "Davis", "Díaz", "Dubois", "Edwards", "Evans", "Fernández", "Fischer", "Foster", "García", "Gibson", "Gomez",
    "González", "Gray", "Green", "Gupta", "Hall", "Hansen", "Harris", "Hayes", "Hill", "Hoffmann", "Howard", "Hughes",
    "Ito", "Jackson", "James", "Jensen", "Johnson", "Jones", "Kaur", "Kelly", "Khan", "Kim", "King", "Kowalski",
    "Kumar", "Larsen", "Lee", "Lewis", "Li", "López", "Martin", "Martínez", "McDonald", "Meyer", "Miller", "Mitchell",
    "Moore", "Moreau", "Morgan", "Morris", "Müller", "Murphy", "Nakamura", "Nelson", "Nguyen", "Nielsen", "Novák",
    "O'Connor", "O'Neill", "Okafor", "Olsen", "Parker", "Patel", "Pérez", "Peterson", "Phillips", "Powell", "Price",
    "Ramírez", "Reed", "Richardson", "Rivera", "Roberts", "Robinson", "Rossi", "Russell", "Sanders", "Santos", "Sato",
    "Schmidt", "Schneider", "Scott", "Sharma", "Silva", "Simmons", "Singh", "Smith", "Stewart", "Sullivan", "Suzuki",
    "Tanaka", "Taylor", "Thompson", "Torres", "Turner", "Van den Berg", "Vargas", "Walker", "Wang", "Ward", "Watson",
    "White", "Williams", "Wilson", "Wood", "Wright", "Yamamoto", "Young", "Zhang", "Null", "True",
)  # fmt: skip
TITLES = (
    "Marketing Manager", "Director of Marketing", "VP Marketing", "CMO", "Email Specialist", "Owner",
    "Communications Officer", "Head of CRM", "Digital Marketing Lead", "Office Manager", "CEO & Founder",
    "Database Administrator", "Coordinator, Events",
)  # fmt: skip
DEPARTMENTS = ("Marketing", "Communications", "Sales", "Operations", "IT", "Finance", "Development & Fundraising")
SALUTATIONS = ("Ms.", "Mr.", "Mrs.", "Dr.", "Mx.")
INDUSTRIES = (
    "Agriculture", "Apparel", "Banking", "Communications", "Construction", "Consulting", "Education", "Energy",
    "Entertainment", "Food & Beverage", "Government", "Healthcare", "Hospitality", "Insurance", "Manufacturing",
    "Media", "Not For Profit", "Recreation", "Retail", "Technology", "Transportation", "Other",
)  # fmt: skip
NOT_FOR_PROFIT = INDUSTRIES.index("Not For Profit")
LEAD_SOURCES = (
    "Web", "Free Trial", "Webinar", "Trade Show", "Partner Referral", "Customer Referral", "Outbound", "Paid Search",
    "Content Download",
)  # fmt: skip
DESCRIPTIONS = (
    "Moved from a competitor in the spring.\nPrefers calls before noon, \"no email please\".",
    "Agency; bills its own clients, so invoices go to finance@ and a copy to the owner.\r\nSecond line, with a comma.",
    "Contacts say: 'we love the editor'.\n\n- wants API access\n- wants SSO\n- budget: $10,000",
    "Großkunde seit der Übernahme; Ansprechpartner wechselt häufig.",
    "Non-profit discount agreed.\n\tTabbed note: renew in Q3; see case 00012345.",
    "Seasonal sender (Nov-Dec).\nExpect peaks; \"Black Friday\" = 5x volume.",
    "NULL in their own CRM export confused the import, twice.",
    "客户希望年付。\nAnnual prepayment requested; quote sent.",
)  # fmt: skip
LOSS_REASONS = ("Price", "No Decision", "Lost to Competitor", "Missing Feature", "No Budget", "Timing", "Unresponsive")
NEXT_STEPS = (
    "Send proposal", "Call back after board meeting", "Legal review, then sign", "Demo with \"power users\"",
    "Security questionnaire",
)  # fmt: skip
CANCEL_REASONS = (
    "Price", "Moved to competitor", "Business closed", "Low usage", "Missing feature", "Merged with other account",
)  # fmt: skip
