package corpus

// kind is a kind of message: subjects and sentences in Swedish, Norwegian and English.
type kind struct {
	name     string
	machine  bool // a shop or a service wrote it, or pretends so
	english  bool // it comes in English alone
	subjects [3][]string
	lines    [3][]string
}

func (k *kind) buttons(language int) []string {
	return [3][]string{{"Läs mer", "Visa", "Logga in", "Till din sida"}, {"Les mer", "Vis", "Logg inn", "Til din side"}, {"Read more", "View", "Sign in", "Your page"}}[language]
}

var firstNames = []string{"Anna", "Erik", "Maja", "Lars", "Karin", "Ola", "Ingrid", "Per", "Sofia", "Nils", "Kari", "Jonas", "Emma", "Magnus", "Lena", "Tor", "Birgit", "Henrik", "Sara", "Gustav"}
var lastNames = []string{"Berg", "Lund", "Dahl", "Holm", "Strand", "Vik", "Haugen", "Nilsson", "Larsen", "Ek", "Sand", "Moen", "Falk", "Lie", "Aas", "Bakke"}
var places = []string{"brevlada.example", "epost.example", "hemma.example", "firman.example", "skolan.example", "kontoret.example", "forening.example", "posten.example"}
var shops = []string{"bokhandeln.example", "skobutiken.example", "tagresor.example", "elbolaget.example", "matkassen.example", "biblioteket.example", "banken.example", "sportkompaniet.example", "apoteket.example", "tidningen.example"}
var brands = []string{"Banken", "Nordpost", "Streamflix", "PayFriend", "Cloudbox", "Skattekontoret", "Parcel Service", "Mail Support"}
var towns = []string{"Umeå", "Oslo", "Lund", "Bergen", "Falun", "Tromsø", "Visby", "Gävle", "Stavanger", "Malmö"}
var things = []string{"cykeln", "ritningen", "nycklarna", "boka", "teltet", "kameraet", "the boat", "the tent", "the drawings", "taket", "gräsklipparen", "huset"}
var topics = []string{"styrelsemöte", "budget", "sommarfest", "dugnad", "foreldremøte", "holiday", "minutes", "invoice", "projekt", "resa", "tur", "recept", "match", "konsert", "garden", "school"}
var junkWords = []string{"best", "prime", "lucky", "secure", "verify", "crypto", "pills", "bonus", "deal", "account", "fast", "money", "casino", "gift"}

var common = [3][]string{
	{"Hälsningar {name}", "Vi ses {date} i {town}.", "Hör av dig om du undrar något.", "Tack för senast!", "Jag är tillbaka på {date}."},
	{"Hilsen {name}", "Vi sees {date} i {town}.", "Si fra hvis du lurer på noe.", "Takk for sist!", "Jeg er tilbake {date}."},
	{"Best regards, {name}", "See you on {date} in {town}.", "Let me know if you have questions.", "Thanks again!", "I am back on {date}."},
}

var wantedKinds = []kind{
	{name: "talk", subjects: [3][]string{{"{thing}", "Re: {topic}", "{topic} på {date}", "Fråga om {thing}"}, {"{thing}", "Re: {topic}", "{topic} den {date}", "Spørsmål om {thing}"}, {"{thing}", "Re: {topic}", "{topic} on {date}", "Question about {thing}"}},
		lines: [3][]string{
			{"Kan du ta med {thing} när du kommer till {town}?", "Jag pratade med {name} om {topic} och det blir nog bra.", "Mötet om {topic} är flyttat till {date}.", "Har du hunnit titta på {thing}?", "{name} fyller {n} och vi tänkte äta middag ihop.", "Jag bifogar det som vi sa om {topic}."},
			{"Kan du ta med {thing} når du kommer til {town}?", "Jeg snakket med {name} om {topic}, og det går nok fint.", "Møtet om {topic} er flyttet til {date}.", "Har du rukket å se på {thing}?", "{name} fyller {n}, og vi tenkte å spise middag sammen.", "Jeg legger ved det vi sa om {topic}."},
			{"Could you bring {thing} when you come to {town}?", "I talked to {name} about {topic} and it should be fine.", "The meeting about {topic} has moved to {date}.", "Did you have time to look at {thing}?", "{name} turns {n} and we thought we would have dinner together.", "I attach what we said about {topic}."}}},
	{name: "work", subjects: [3][]string{{"Protokoll {topic} {date}", "Offert {n}", "Re: offert {n}"}, {"Referat {topic} {date}", "Tilbud {n}", "Re: tilbud {n}"}, {"Minutes {topic} {date}", "Quote {n}", "Re: quote {n}"}},
		lines: [3][]string{
			{"Här kommer protokollet från {topic}.", "Priset blir {sum} kronor exklusive moms.", "Vi behöver besked senast {date}.", "Kunden i {town} har godkänt ritningen.", "Punkt {n} återstår att diskutera.", "Fakturan är betald."},
			{"Her kommer referatet fra {topic}.", "Prisen blir {sum} kroner uten mva.", "Vi trenger svar innen {date}.", "Kunden i {town} har godkjent tegningen.", "Punkt {n} gjenstår å diskutere.", "Fakturaen er betalt."},
			{"Here are the minutes of {topic}.", "The price is {sum} euros without VAT.", "We need an answer by {date}.", "The customer in {town} has approved the drawing.", "Item {n} is still to be discussed.", "The invoice is paid."}}},
	{name: "receipt", machine: true, subjects: [3][]string{{"Din order {n} hos {shop}", "Kvitto {sum} kr", "Ditt paket är på väg"}, {"Din ordre {n} hos {shop}", "Kvittering {sum} kr", "Pakken din er på vei"}, {"Your order {n} at {shop}", "Receipt {sum} EUR", "Your parcel is on its way"}},
		lines: [3][]string{
			{"Tack för din beställning hos {shop}.", "Summa: {sum} kr, varav moms {n} kr.", "Leverans beräknas till {date} i {town}.", "Du kan följa ditt paket på {link}.", "Ångerrätten gäller i 14 dagar."},
			{"Takk for bestillingen hos {shop}.", "Sum: {sum} kr, herav mva {n} kr.", "Levering beregnes til {date} i {town}.", "Du kan følge pakken din på {link}.", "Angreretten gjelder i 14 dager."},
			{"Thank you for your order at {shop}.", "Total: {sum} EUR, of which VAT {n}.", "Delivery is expected on {date} in {town}.", "You can follow your parcel at {link}.", "You may return it within 14 days."}}},
	{name: "newsletter", machine: true, subjects: [3][]string{{"Nyheter från {shop}", "Veckans tips: {topic}"}, {"Nytt fra {shop}", "Ukens tips: {topic}"}, {"News from {shop}", "This week: {topic}"}},
		lines: [3][]string{
			{"Den här veckan skriver vi om {topic} och {topic}.", "Rea på {thing}: nu {sum} kr.", "Boka plats till {topic} i {town} den {date}.", "Avregistrera dig på {link}.", "Öppettider i helgen: 10 till {n}."},
			{"Denne uken skriver vi om {topic} og {topic}.", "Salg på {thing}: nå {sum} kr.", "Bestill plass til {topic} i {town} den {date}.", "Meld deg av på {link}.", "Åpningstider i helgen: 10 til {n}."},
			{"This week we write about {topic} and {topic}.", "Sale on {thing}: now {sum}.", "Book a seat for {topic} in {town} on {date}.", "Unsubscribe at {link}.", "Open this weekend from 10 to {n}."}}},
	{name: "account", machine: true, subjects: [3][]string{{"Ny inloggning på ditt konto", "Din räkning för {date}", "Ändrat lösenord"}, {"Ny pålogging på kontoen din", "Regningen din for {date}", "Endret passord"}, {"New sign-in to your account", "Your bill for {date}", "Password changed"}},
		lines: [3][]string{
			{"Någon loggade in på ditt konto hos {shop} den {date}. Var det du behöver du inte göra något.", "Din räkning på {sum} kr förfaller {date}.", "Du har bytt lösenord. Var det inte du, kontakta kundservice.", "Beloppet dras från ditt kort automatiskt."},
			{"Noen logget inn på kontoen din hos {shop} den {date}. Var det deg, trenger du ikke gjøre noe.", "Regningen din på {sum} kr forfaller {date}.", "Du har byttet passord. Var det ikke deg, kontakt kundeservice.", "Beløpet trekkes fra kortet ditt automatisk."},
			{"Somebody signed in to your account at {shop} on {date}. If it was you, you need not do anything.", "Your bill of {sum} is due on {date}.", "You changed your password. If it was not you, contact us.", "The amount is charged to your card automatically."}}},
}

var junkKinds = []kind{
	{name: "phishing", machine: true, subjects: [3][]string{{"Ditt konto har spärrats", "Bekräfta ditt BankID nu", "Sista påminnelsen: verifiera"}, {"Kontoen din er sperret", "Bekreft BankID nå", "Siste påminnelse: verifiser"}, {"Your account is suspended", "Confirm your identity now", "Final notice: verify your mailbox"}},
		lines: [3][]string{
			{"Vi har upptäckt ovanlig aktivitet på ditt konto och det har spärrats.", "Klicka på länken nedan inom 24 timmar för att verifiera dina uppgifter, annars stängs kontot permanent.", "Ange ditt kortnummer och din kod för att låsa upp kontot.", "Ditt paket hålls i tullen, betala {n} kr omedelbart.", "Du har rätt till en skatteåterbäring på {sum} kr, begär den här."},
			{"Vi har oppdaget uvanlig aktivitet på kontoen din, og den er sperret.", "Klikk på lenken nedenfor innen 24 timer for å verifisere opplysningene dine, ellers stenges kontoen permanent.", "Oppgi kortnummer og kode for å låse opp kontoen.", "Pakken din holdes i tollen, betal {n} kr umiddelbart.", "Du har rett til skatterefusjon på {sum} kr, krev den her."},
			{"We noticed unusual activity and your account has been suspended.", "Click the link below within 24 hours to verify your details, or the account will be closed permanently.", "Enter your card number and PIN to unlock your account.", "Your parcel is held at customs, pay {n} immediately.", "You are eligible for a tax refund of {sum}, claim it here.", "Your mailbox is over quota, validate your password to keep receiving mail."}}},
	{name: "advance-fee", english: true, subjects: [3][]string{2: {"Urgent business proposal", "Dear beneficiary", "Inheritance of {sum} million"}},
		lines: [3][]string{2: {"I am the manager of a bank and I have a confidential business proposal for you.", "The sum of {sum} million dollars was left by a client who died without next of kin.", "You will receive 40% as beneficiary if you assist me to transfer this fund.", "Reply urgently with your full name, address and bank details.", "This transaction is 100% risk free and must be kept confidential.", "I am a widow suffering from illness and wish to donate my fortune."}}},
	{name: "pills", subjects: [3][]string{{"Billiga piller utan recept", "Bättre i sängen i kväll"}, {"Billige piller uten resept", "Bedre i sengen i kveld"}, {"Cheap pills no prescription", "Last longer tonight"}},
		lines: [3][]string{
			{"Köp piller utan recept till lägsta pris.", "Diskret leverans, 80% rabatt bara i dag.", "Gå ner {n} kilo på två veckor utan att banta.", "Garanterat resultat eller pengarna tillbaka!!!", "Beställ nu, lagret tar slut."},
			{"Kjøp piller uten resept til laveste pris.", "Diskret levering, 80% rabatt bare i dag.", "Gå ned {n} kilo på to uker uten slanking.", "Garantert resultat eller pengene tilbake!!!", "Bestill nå, lageret tar slutt."},
			{"Buy pills without prescription at the lowest price.", "Discreet shipping, 80% discount only today.", "Lose {n} pounds in two weeks without dieting.", "Guaranteed results or your money back!!!", "Order now while stock lasts."}}},
	{name: "money", subjects: [3][]string{{"Tjäna {sum} kr om dagen hemifrån", "Bitcoin gör dig rik", "Du har vunnit {sum}"}, {"Tjen {sum} kr om dagen hjemmefra", "Bitcoin gjør deg rik", "Du har vunnet {sum}"}, {"Earn {sum} a day from home", "Bitcoin makes you rich", "You have won {sum}"}},
		lines: [3][]string{
			{"Vår robot handlar bitcoin åt dig med garanterad vinst.", "Du har valts ut som vinnare av {sum} kr, hämta din vinst nu.", "Registrera dig gratis och få {n} gratissnurr på casinot.", "Inga förkunskaper krävs, bara en insättning på {sum} kr.", "Hundratals svenskar har redan blivit miljonärer."},
			{"Roboten vår handler bitcoin for deg med garantert gevinst.", "Du er trukket ut som vinner av {sum} kr, hent gevinsten nå.", "Registrer deg gratis og få {n} gratisspinn på casinoet.", "Ingen forkunnskaper kreves, bare et innskudd på {sum} kr.", "Hundrevis av nordmenn er allerede millionærer."},
			{"Our robot trades bitcoin for you with guaranteed profit.", "You were selected as the winner of {sum}, claim your prize now.", "Register for free and get {n} free spins at the casino.", "No experience needed, just a deposit of {sum}.", "Hundreds have already become millionaires."}}},
	{name: "seo", english: true, subjects: [3][]string{2: {"Rank #1 on search engines", "Website redesign offer", "Guest post on your site"}},
		lines: [3][]string{2: {"I was going through your website and noticed it is not ranking on the first page.", "We offer affordable SEO packages with guaranteed ranking.", "We are a team of experts in web design, app development and digital marketing.", "Can I send you a quote and our past work?", "We can provide {n} high quality backlinks for only {sum} dollars.", "Share your phone number and a good time to call."}}},
}
