//go:build unix

package portico_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-portico/portico/filter/ban"
	"github.com/caddy-portico/portico/filter/ban/redisban"
	"github.com/caddy-portico/portico/filter/rate"
	"github.com/caddy-portico/portico/filter/rate/redisrate"
	"github.com/caddy-portico/portico/filter/redis"
	"github.com/caddy-portico/portico/internal/redistest"
)

// A machine stands for another Caddy that shares with the site.
type machine struct {
	ledger *ban.Ledger
	rate   *redisrate.Limiter
}

func startMachine(t *testing.T, address, name string, p rate.Policy) *machine {
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
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if !conn.Ready(ctx) {
		t.Fatal("no connection to redis")
	}
	local, err := rate.New(rate.Config{Policy: p}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{ledger: ban.New(0), rate: redisrate.New(conn, name, local)}
	sharer := redisban.Start(conn, m.ledger)
	t.Cleanup(sharer.Stop)
	return m
}

func (m *machine) banned(address string) bool {
	_, banned := m.ledger.Lookup(netip.MustParseAddr(address), time.Now())
	return banned
}

// Limits and bans are shared between machines, through reloads too. While the
// server is gone each counts for itself; one line of the log and a metric say so.
func TestFilterShares(t *testing.T) {
	server := redistest.Start(t)
	at := "redis://:s3cret@" + server.Addr
	server.Command("CONFIG SET requirepass s3cret")
	c := siteConfig{
		global: "metrics\nrequest_filter {\nredis " + at + "\n}",
		http: "route {\nmetrics /metrics\nroute /limited/* {\nrequest_filter {\nrate few {\nkey {path}\nlimit 4/10m\n}\n}\nrespond ok\n}\n" +
			"request_filter\nrespond ok\n}",
		admin: true,
	}
	s := filterSite(t, c)
	other := startMachine(t, at, "few", rate.Policy{Limit: 4, Window: 10 * time.Minute})
	up := func(want float64) func() bool {
		return func() bool { return s.scrape()["caddy_request_filter_redis_up"] == want }
	}
	reload := func(i int) {
		c.global = fmt.Sprintf("metrics\nrequest_filter {\nredis %s\ntarpits %d\n}", at, i)
		s.load(c)
	}
	eventually(t, "redis is up", up(1))

	// Two here, two there, and that was all.
	keyOf := func(path string) string { return fmt.Sprint(len(path), ":", path) }
	take := func(path string) bool {
		r, shared := other.rate.Take(t.Context(), keyOf(path), time.Now())
		if !shared {
			t.Error("the other machine decided alone")
		}
		return r.Allowed
	}
	for i, want := range []int{200, 200} {
		if got := s.status("/limited/a"); got != want {
			t.Fatalf("request %d: %d, want %d", i, got, want)
		}
		if !take("/limited/a") {
			t.Fatal("the other machine refuses too early")
		}
		reload(1 + i)
		eventually(t, "redis is up", up(1))
	}
	if got := s.status("/limited/a"); got != 429 || take("/limited/a") {
		t.Errorf("the fifth request: %d, want 429 on both", got)
	}

	// Bans, both ways, before and after reloads.
	for i := range 3 {
		here, there := fmt.Sprintf("192.0.2.%d", i), fmt.Sprintf("198.51.100.%d", i)
		s.expect(200, "POST", "/request_filter/bans", banOf(here))
		if _, err := other.ledger.Add(netip.MustParsePrefix(there+"/32"), time.Hour, "elsewhere", time.Now()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the other machine has the ban", func() bool { return other.banned(here) })
		eventually(t, "the site has the other's", func() bool {
			status, _ := s.admin("GET", "/request_filter/bans/"+there, "")
			return status == 200
		})
		s.expect(204, "DELETE", "/request_filter/bans/"+here, "")
		eventually(t, "it is lifted there", func() bool { return !other.banned(here) })
		reload(10 + i)
	}

	server.Kill()
	for i, want := range []int{200, 200, 200, 200, 429} {
		if got := s.status("/limited/b"); got != want {
			t.Errorf("request %d without redis: %d, want %d", i, got, want)
		}
	}
	eventually(t, "redis is down", up(0))
	s.expect(200, "POST", "/request_filter/bans", banOf(oneClient))
	s.expect(204, "DELETE", "/request_filter/bans/"+oneClient, "")
	s.expect(200, "POST", "/request_filter/bans", banOf("203.0.113.1"))
	if n := s.scrape()[`caddy_request_filter_rate_local_decisions_total{rate="few"}`]; n < 4 {
		t.Errorf("%v decisions without the others, want those of the requests", n)
	}
	lists := s.expect(200, "GET", "/request_filter/lists", "")
	if !strings.Contains(lists, `"up":false`) || strings.Contains(lists, "s3cret") {
		t.Errorf("lists: %s", lists)
	}
	server.Run()
	server.Command("CONFIG SET requirepass s3cret")
	eventually(t, "redis is up again", up(1))
	eventually(t, "what was banned meanwhile is shared", func() bool { return other.banned("203.0.113.1") })

	log, err := os.ReadFile(filepath.Join(s.dir, "caddy.log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "s3cret") {
		t.Error("the log has the password")
	}
	if n := strings.Count(string(log), "redis is down"); n != 1 {
		t.Errorf("%d lines say that redis is down, want one", n)
	}
}

// Reloads that change everything the sites share, in the middle of traffic, fail no
// request and lose no ban.
func TestFilterReloadInTraffic(t *testing.T) {
	server := redistest.Start(t)
	list := filepath.Join(t.TempDir(), "list.txt")
	write(t, list, "192.0.2.0/24\n")
	site := "request_filter {\ndeny @list\nrate many {\nlimit 1000000/1m\n}\nban {\nafter 5 in 1m\nfor 1h\n}\n}\nrespond " + strings.Repeat("x", 100_000)
	c := siteConfig{global: "request_filter {\nip_list list file " + list + "\n}", http: site}
	s := filterSite(t, c)
	s.expect(200, "POST", "/request_filter/bans", banOf("198.51.100.1"))
	traffic := s.startTraffic("/a", "/b")
	for i := range 8 {
		options := fmt.Sprintf("tarpits %d\n", 1+i)
		if i%2 == 1 {
			options += "redis redis://" + server.Addr + "\n"
		}
		if i%3 == 1 {
			options += "bans {\nsave $DIR/bans.json\n}\n"
		}
		if i%4 == 1 {
			options += "rate_memory 1MiB\n"
		}
		write(t, list, fmt.Sprintf("192.0.2.0/24\n203.0.113.%d\n", i))
		traffic.more(20)
		s.load(siteConfig{global: "request_filter {\nip_list list file " + list + "\n" + options + "}", http: site, admin: true})
	}
	traffic.more(20)
	traffic.stop()
	s.expect(200, "GET", "/request_filter/bans/198.51.100.1", "")
}
