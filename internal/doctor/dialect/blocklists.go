package dialect

// Blocklists returns the zones of the lists that servers ask most, to be asked too.
func (b *Book) Blocklists() []string {
	var zones []string
	for i := range b.lists {
		if b.lists[i].Ask {
			zones = append(zones, b.lists[i].Name)
		}
	}
	return zones
}
