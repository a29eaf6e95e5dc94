//go:build unix

package redisban

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/caddy-portico/portico/filter/ban"
	"github.com/caddy-portico/portico/filter/redis"
	"github.com/caddy-portico/portico/internal/redistest"
)

func newMachine(t *testing.T, address string) (*ban.Ledger, *redis.Conn) {
	t.Helper()
	target, err := redis.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := redis.Open(target, redis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	l := ban.New(0)
	s := Start(conn, l)
	t.Cleanup(s.Stop)
	return l, conn
}

func banned(l *ban.Ledger, addr string) bool {
	_, ok := l.Lookup(netip.MustParseAddr(addr), time.Now())
	return ok
}

func add(t *testing.T, l *ban.Ledger, prefix string) {
	t.Helper()
	if _, err := l.Add(netip.MustParsePrefix(prefix), time.Hour, "a | reason \" of all sorts", time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestBansAreShared(t *testing.T) {
	t.Run("server", func(t *testing.T) { bansAreShared(t, redistest.Start(t)) })
	t.Run("cluster", func(t *testing.T) { bansAreShared(t, redistest.StartCluster(t)) })
}

func bansAreShared(t *testing.T, server *redistest.Server) {
	t.Helper()
	a, _ := newMachine(t, "redis://"+server.Addr)
	b, _ := newMachine(t, "redis://"+server.Addr)
	add(t, a, "192.0.2.1/32")
	add(t, b, "2001:db8::/64")
	redistest.Eventually(t, "each has the other's ban", func() bool {
		return banned(b, "192.0.2.1") && banned(a, "2001:db8::5")
	})
	want, _ := a.Lookup(netip.MustParseAddr("192.0.2.1"), time.Now())
	if got, _ := b.Lookup(netip.MustParseAddr("192.0.2.1"), time.Now()); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	b.Remove(netip.MustParsePrefix("192.0.2.1/32"), time.Now())
	redistest.Eventually(t, "it is lifted on both", func() bool { return !banned(a, "192.0.2.1") })

	late, _ := newMachine(t, "redis://"+server.Addr)
	redistest.Eventually(t, "a new machine learns what holds", func() bool { return banned(late, "2001:db8::5") })
	if banned(late, "192.0.2.1") {
		t.Error("and what does not")
	}
}

// Many bans at once: more than one operation carries.
func TestManyBans(t *testing.T) {
	server := redistest.Start(t)
	a, _ := newMachine(t, "redis://"+server.Addr)
	for i := range 5 * batch {
		add(t, a, fmt.Sprintf("10.0.%d.%d/32", i/256, i%256))
	}
	b, _ := newMachine(t, "redis://"+server.Addr)
	redistest.Eventually(t, "all are shared", func() bool { return b.Len() == 5*batch })
}

// While the server is gone each goes on by itself; then they agree again, also
// with a server that has lost everything.
func TestServerGoesAndComesBack(t *testing.T) {
	server := redistest.Start(t)
	a, connA := newMachine(t, "redis://"+server.Addr)
	b, connB := newMachine(t, "redis://"+server.Addr)
	add(t, a, "192.0.2.1/32")
	add(t, a, "192.0.2.9/32")
	redistest.Eventually(t, "a ban is shared", func() bool { return banned(b, "192.0.2.1") && banned(b, "192.0.2.9") })
	server.Kill()
	redistest.Eventually(t, "both notice", func() bool { return !connA.Up() && !connB.Up() })
	add(t, a, "192.0.2.2/32")
	a.Remove(netip.MustParsePrefix("192.0.2.9/32"), time.Now())
	if !banned(a, "192.0.2.2") || !banned(b, "192.0.2.1") {
		t.Error("a ledger lost a ban with the server")
	}
	server.Run()
	redistest.Eventually(t, "they agree again", func() bool {
		return banned(b, "192.0.2.2") && !banned(b, "192.0.2.9") && !banned(a, "192.0.2.9")
	})
	late, _ := newMachine(t, "redis://"+server.Addr)
	redistest.Eventually(t, "the server was filled again", func() bool {
		return banned(late, "192.0.2.1") && banned(late, "192.0.2.2")
	})
}

// The server forgets what has ended.
func TestServerForgets(t *testing.T) {
	server := redistest.Start(t)
	a, _ := newMachine(t, "redis://"+server.Addr)
	if _, err := a.Add(netip.MustParsePrefix("192.0.2.1/32"), time.Millisecond*1500, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, "the server knows", func() bool { return server.Command("EXISTS portico:{ban}:bans") == ":1" })
	redistest.Eventually(t, "and forgets", func() bool { return server.Command("EXISTS portico:{ban}:bans") == ":0" })
}
