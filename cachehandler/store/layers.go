package store

// Layers says what the handlers behind the cache did to fields that handlers
// before it had set, so that a hit does the same.
type Layers struct {
	// Drops are fields they took away, such as the server's own Server.
	Drops []string
	// Joins are fields they added values to instead of setting them anew.
	Joins []string
	// Inner are fields, of those stored, that are for caches and not for
	// clients.
	Inner []string
}
