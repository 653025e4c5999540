// Package lab is a small internet on one machine, for tests: hosts with addresses,
// names and certificates, mail servers that can be told to answer anything at any step,
// and places to look at them from. All of it runs in one process on loopback; a world
// is made in a few milliseconds, and hundreds can run side by side.
//
// What is tested gets the world through what it is given anyway: a dialer
// (Vantage.DialContext), resolvers as host:port that are reached through it
// (Vantage.Resolvers), a clock (Vantage.Now), trust (Vantage.Roots) and interfaces
// (Vantage.Interfaces). Addresses are those of the world, 192.0.2.10:993, in
// connections and in errors; errors are those of the kernel and of package net.
//
// A whole scenario, a provider whose submission port a hotel's network drops:
//
//	w := lab.New(t)
//	north := w.Provider("north.example")
//	north.Account("anna@north.example", "secret")
//	home, hotel := w.Home(), w.Vantage("hotel")
//
//	hotel.Break(lab.Where{Port: 587}, lab.Drop())
//
//	c, err := hotel.DialContext(ctx, "tcp", "smtp.north.example:587") // times out with ctx
//	c, err = home.DialContext(ctx, "tcp", "smtp.north.example:587")   // 220 smtp.north.example
//
// The other layers are broken in the same way:
//
//	north.Submission.On("AUTH", peer.Say("app-password"))                        // in the server's words
//	north.IMAP.On("LOGIN", peer.Reply("NO [UNAVAILABLE] later")).Times(2)        // or literally
//	north.IMAP.SetCertificate(w.Certificate([]string{"imap.north.example"}, ca.Expired(72*time.Hour)))
//	north.Mail.Change("anna@north.example", func(a *peer.Account) { a.Quota = 1000 })
//	north.Zone.Sign(names.Expired)
//	w.Resolver(lab.ISPResolver).Lie("imap.north.example", "0.0.0.0")
//	home.Skew(-400 * 24 * time.Hour)
//
// and looked at afterwards: north.IMAP.Transcript(), Counts(), SignIns().
//
// NewReal makes the same world of network namespaces and packet filters, where root may;
// other programs can be run in it (Vantage.Command). RunPostiljon and RunPostfixDovecot
// put real servers into a world of either kind, RunExim into a real network.
package lab
