package filter

import (
	"context"
	"encoding/json"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-portico/portico/filter/ban"
	"github.com/caddy-portico/portico/filter/bots"
	"github.com/caddy-portico/portico/filter/rate"
)

// newApp provisions an app as a configuration does.
func newApp(t *testing.T, config string) (*App, error) {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	ctx, err := caddy.ProvisionContext(&caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}})
	if err != nil {
		t.Fatal(err)
	}
	a := new(App)
	if err := json.Unmarshal([]byte(config), a); err != nil {
		t.Fatal(err)
	}
	return a, a.Provision(ctx)
}

func mustApp(t *testing.T, config string) *App {
	t.Helper()
	a, err := newApp(t, config)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What two configurations have in common they share, whatever else differs; when
// the last one is gone nothing is left.
func TestAppHandsOn(t *testing.T) {
	policy := ban.Policy{After: 3, Within: time.Minute, For: time.Hour}
	few := rate.Policy{Limit: 3, Window: time.Minute}
	references := func() [4]int { // other tests may hold some
		return [4]int{
			held(pools.state, stateKey{}), held(pools.strikes, policy),
			held(pools.counters, counterKey{"few", few, 0}), held(pools.crawlers, crawlersKey{}),
		}
	}
	before := references()
	a := mustApp(t, `{"ip_list": {"office": {"ranges": ["192.0.2.0/24"]}}}`)
	strikesA, errA := a.strikes(policy)
	limiterA, errB := a.limiter("few", few)
	b := mustApp(t, `{"tarpits": 5, "ip_list": {"office": {"ranges": ["192.0.2.0/24"]}}}`)
	strikesB, errC := b.strikes(policy)
	limiterB, errD := b.limiter("few", few)
	for _, err := range []error{errA, errB, errC, errD} {
		if err != nil {
			t.Fatal(err)
		}
	}
	listA, _ := a.ipList("office")
	listB, _ := b.ipList("office")
	if a.ledger() != b.ledger() || a.slots() != b.slots() || strikesA != strikesB || listA != listB || a.verifier() != b.verifier() {
		t.Error("something is not handed on")
	}
	now := time.Now()
	for i, l := range []limiter{limiterA, limiterB, limiterA, limiterB} {
		if got := l.Take(context.Background(), "key", now).Allowed; got != (i < 3) {
			t.Errorf("request %d: allowed = %t", i, got)
		}
	}
	for name, other := range map[string]func() (limiter, error){
		"name":   func() (limiter, error) { return b.limiter("other", few) },
		"policy": func() (limiter, error) { return b.limiter("few", rate.Policy{Limit: 4, Window: time.Minute}) },
	} {
		if l, err := other(); err != nil || !l.Take(context.Background(), "key", now).Allowed {
			t.Errorf("counted together with another %s (%v)", name, err)
		}
	}
	if err := a.Cleanup(); err != nil {
		t.Fatal(err)
	}
	for i, n := range references() {
		if n != before[i]+1 {
			t.Errorf("%d references to %d, want the one of the second configuration", n-before[i], i)
		}
	}
	if err := b.Cleanup(); err != nil {
		t.Fatal(err)
	}
	if after := references(); after != before {
		t.Errorf("references %v, want %v as before", after, before)
	}
}

func held(pool *caddy.UsagePool, key any) int {
	n, _ := pool.References(key)
	return n
}

// A mistake in JSON is refused as one in a Caddyfile is, and leaves nothing behind.
func TestAppRefuses(t *testing.T) {
	tests := map[string]string{
		`{"tarpits": -1}`:                                    "tarpits",
		`{"rate_memory": 1}`:                                 "rate_memory",
		`{"bans": {"max": -5}}`:                              "bans: max",
		`{"redis": "10.0.0.5"}`:                              "redis",
		`{"ip_list": {"a": {}}}`:                             "ip_list a: has no source",
		`{"ip_list": {"a": null}}`:                           "ip_list a: has no source",
		`{"ip_list": {"a b": {"ranges": ["::/0"]}}}`:         "ip_list a b",
		`{"ip_list": {"a": {"ranges": ["nonsense"]}}}`:       "nonsense",
		`{"ip_list": {"a": {"url": [{"url": "ftp://a/"}]}}}`: "https",
		`{"geoip": ["/nowhere.mmdb"]}`:                       "geoip",
	}
	for config, why := range tests {
		a, err := newApp(t, config)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want an error about %q", config, err, why)
		}
		if err := a.Cleanup(); err != nil {
			t.Errorf("%s: cleaning up: %v", config, err)
		}
	}
}

// The ranges of crawlers are opened if somebody asks who they are, not otherwise.
func TestAppVerifier(t *testing.T) {
	a := mustApp(t, `{}`)
	if n := len(a.listStates()); n != 0 {
		t.Errorf("%d lists before anybody asks", n)
	}
	a.verifier()
	if n := len(a.listStates()); n != len(bots.Default().RangeURLs()) {
		t.Errorf("%d lists, want those of all crawlers", n)
	}
	for _, s := range a.listStates() {
		if !s.Next.IsZero() {
			t.Errorf("%s is followed before the start", s.Name)
		}
	}
	if err := a.Cleanup(); err != nil {
		t.Error(err)
	}
}

// Of several configurations the last one started decides; when it ends, the one
// before it does again.
func TestStateSettles(t *testing.T) {
	a, b := mustApp(t, `{"tarpits": 1}`), mustApp(t, `{"tarpits": 2}`)
	defer func() { _, _ = a.Cleanup(), b.Cleanup() }()
	coreA, logA := observer.New(zapcore.InfoLevel)
	coreB, logB := observer.New(zapcore.InfoLevel)
	a.log, b.log = zap.New(coreA), zap.New(coreB)
	log := a.state.logger().With(zap.String("with", "field"))
	places := func() (n int) {
		for a.slots().Take() {
			n++
		}
		for range n {
			a.slots().Release()
		}
		return n
	}
	steps := []struct {
		do   func() error
		want int
		logs *observer.ObservedLogs
	}{
		{a.Start, 1, logA},
		{b.Start, 2, logB},
		{b.Stop, 1, logA}, // it failed to start as a whole
		{b.Start, 2, logB},
		{a.Stop, 2, logB}, // the reload is done
	}
	for i, step := range steps {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := places(); got != step.want {
			t.Errorf("step %d: %d places, want %d", i, got, step.want)
		}
		log.Info("something")
		if got := step.logs.TakeAll(); len(got) != 1 || got[0].ContextMap()["with"] != "field" {
			t.Errorf("step %d: not in the log of the configuration that decides: %v", i, got)
		}
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	log.Info("nobody's") // nothing to write to, and no panic
}

func TestBlocked(t *testing.T) {
	value, _ := newState()
	s := value.(*state)
	s.blocked(netip.MustParsePrefix("192.0.2.77/32"), reasonProbe)
	s.blocked(netip.Prefix{}, reasonProbe) // of a Unix socket
	if n := s.total[reasonProbe].Load(); n != 2 {
		t.Errorf("%d blocked, want 2", n)
	}
	for _, c := range s.top.List(100, time.Now()) {
		if c.Client != netip.MustParsePrefix("192.0.2.77/32") || c.By[reasonProbe] != 1 {
			t.Errorf("client %+v", c)
		}
	}
}

// Bans that have ended are not held for ever, and nothing runs when no configuration
// does.
func TestStateSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		value, _ := newState()
		s := value.(*state)
		tarpits := 1
		a := &App{Bans: new(BanStore), Tarpits: &tarpits, log: zap.NewNop()}
		s.start(a)
		for i, d := range []time.Duration{time.Second, time.Hour} {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32)
			if _, err := s.ledger.Add(p, d, "", time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(sweepEvery + time.Second)
		synctest.Wait()
		if n := s.ledger.Len(); n != 1 {
			t.Errorf("%d bans, want the one that holds", n)
		}
		s.stop(a)
	})
}

// What is written as an address is read as the same range again, and covers what
// it says.
func FuzzParseBanned(f *testing.F) {
	for _, text := range []string{"192.0.2.1", "192.0.2.0/24", "2001:db8::/64", "::", "::/0", "::ffff:192.0.2.1", "fe80::1%eth0", "a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseBanned(text)
		if err != nil {
			return
		}
		if again, err := parseBanned(short(p)); err != nil || again != p {
			t.Errorf("%q is %v, and that is %v (%v)", text, p, again, err)
		}
		l := ban.New(0)
		if _, err := l.Add(p, time.Hour, "", time.Now()); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if b, banned := l.Lookup(p.Addr(), time.Now()); !banned || b.Prefix.Bits() != lengthOf(p) {
			t.Errorf("%q: banned = %t as %v of length %d", text, banned, b.Prefix, lengthOf(p))
		}
		if !l.Remove(p, time.Now()) {
			t.Errorf("%q cannot be lifted", text)
		}
	})
}

// What was saved holds before the app starts: it may start after the servers do.
func TestAppLoadsSavedBans(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bans.json")
	l := ban.New(0)
	if _, err := l.Add(netip.MustParsePrefix("192.0.2.66/32"), time.Hour, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := l.Save(ban.OS, file, time.Now()); err != nil {
		t.Fatal(err)
	}
	config, _ := json.Marshal(&App{Bans: &BanStore{Save: file}})
	a := mustApp(t, string(config))
	if _, banned := a.ledger().Lookup(netip.MustParseAddr("192.0.2.66"), time.Now()); !banned {
		t.Error("the saved ban does not hold yet")
	}
	if err := a.Cleanup(); err != nil {
		t.Error(err)
	}
}
