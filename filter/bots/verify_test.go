package bots

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/caddy-portico/portico/filter/address"
)

// A zone is what a small DNS server of the tests answers: PTR, A and AAAA.
type zone map[string][]string

// serve runs a DNS server on a socket of its own and returns a resolver that
// asks it. Names that are not in the zone do not exist (RFC 1035 §4.1.1 code
// 3); "!" is a server failure (code 2), "?" is no answer at all.
func serve(t *testing.T, z zone) *net.Resolver {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := z.answer(buf[:n]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (z zone) answer(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil {
		return nil
	}
	m.Response, m.Authoritative, m.RecursionAvailable = true, true, true
	m.Additionals = nil
	q := m.Questions[0]
	values, known := z[strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))]
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, v := range values {
		h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
		addr, err := netip.ParseAddr(v)
		switch {
		case v == "?":
			return nil
		case v == "!":
			m.RCode = dnsmessage.RCodeServerFailure
		case q.Type == dnsmessage.TypePTR && err != nil:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(v + ".")}})
		case q.Type == dnsmessage.TypeA && addr.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: addr.As4()}})
		case q.Type == dnsmessage.TypeAAAA && addr.Is6():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	packed, _ := m.Pack()
	return packed
}

func reverse(ip string) string {
	addr := netip.MustParseAddr(ip)
	if addr.Is4() {
		b := addr.As4()
		return fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa", b[3], b[2], b[1], b[0])
	}
	var s strings.Builder
	b := addr.As16()
	for i := 15; i >= 0; i-- {
		fmt.Fprintf(&s, "%x.%x.", b[i]&15, b[i]>>4)
	}
	return s.String() + "ip6.arpa"
}

const googlebot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

// settled asks until the verdict is no longer Pending, and fails if the first
// answer was not.
func settled(t *testing.T, v *Verifier, ua, ip string) Verdict {
	t.Helper()
	m, addr := Default().Match(ua), netip.MustParseAddr(ip)
	if first := v.Verdict(m, addr); first != Pending {
		t.Errorf("%s: the first verdict is %s, before DNS could answer", ip, first)
	}
	v.done.Wait()
	return v.Verdict(m, addr)
}

func TestReverseDNS(t *testing.T) {
	z := zone{
		reverse("66.249.66.1"):            {"crawl-66-249-66-1.googlebot.com"},
		"crawl-66-249-66-1.googlebot.com": {"66.249.66.1"},

		reverse("192.0.2.1"):               {"crawl-66-249-66-1.googlebot.com"}, // a lie: it does not lead back
		reverse("192.0.2.2"):               {"crawl.googlebot.com.evil.example"},
		"crawl.googlebot.com.evil.example": {"192.0.2.2"},
		reverse("192.0.2.3"):               {"evilgooglebot.com"},
		"evilgooglebot.com":                {"192.0.2.3"},
		reverse("192.0.2.5"):               {"host.example", "CRAWL.GoogleBot.com"},
		"crawl.googlebot.com":              {"192.0.2.5", "192.0.2.6"},
		reverse("192.0.2.7"):               {"v6only.googlebot.com"},
		"v6only.googlebot.com":             {"2001:db8::7"},
		reverse("2001:db8::7"):             {"v6only.googlebot.com"},
		reverse("192.0.2.8"):               {"gone.googlebot.com"},
		reverse("192.0.2.9"):               {"!"},
		reverse("192.0.2.10"):              {"fails.googlebot.com"},
		"fails.googlebot.com":              {"!"},
		reverse("192.0.2.11"):              {"a.googlebot.com", "b.googlebot.com", "c.googlebot.com", "d.googlebot.com"},
		"d.googlebot.com":                  {"192.0.2.11"},
	}
	v := NewVerifier(Options{Resolver: serve(t, z), Timeout: 20 * time.Second})
	defer v.Destruct()
	tests := []struct {
		name, ip string
		want     Verdict
	}{
		{"the real one", "66.249.66.1", Verified},
		{"IPv6", "2001:db8::7", Verified},
		{"one of several names, in another case", "192.0.2.5", Verified},
		{"a name that does not lead back", "192.0.2.1", Impostor},
		{"the domain in front of another", "192.0.2.2", Impostor},
		{"the end of a domain is no label", "192.0.2.3", Impostor},
		{"no name", "192.0.2.4", Impostor},
		{"the name has only the other family", "192.0.2.7", Impostor},
		{"a name that does not exist", "192.0.2.8", Impostor},
		{"more names than are looked up", "192.0.2.11", Impostor},
		{"DNS fails at the address", "192.0.2.9", Pending},
		{"DNS fails at the name", "192.0.2.10", Pending},
	}
	for _, tt := range tests {
		if got := settled(t, v, googlebot, tt.ip); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestRanges(t *testing.T) {
	real, err := address.Of("192.0.2.0/24", "2001:db8::/64")
	if err != nil {
		t.Fatal(err)
	}
	loaded := map[string]*address.Set{}
	z := zone{reverse("198.51.100.1"): {"new.googlebot.com"}, "new.googlebot.com": {"198.51.100.1"}}
	v := NewVerifier(Options{Resolver: serve(t, z), Ranges: func(url string) *address.Set { return loaded[url] }})
	defer v.Destruct()
	judge := func(ua, ip string) Verdict { return v.Verdict(Default().Match(ua), netip.MustParseAddr(ip)) }

	if got := judge("GPTBot/1.2", "192.0.2.1"); got != Pending {
		t.Errorf("ranges not loaded: %s", got)
	}
	for _, url := range Default().RangeURLs() {
		loaded[url] = real
	}
	for _, tt := range []struct {
		name, ua, ip string
		want         Verdict
	}{
		{"in the ranges", "GPTBot/1.2", "192.0.2.1", Verified},
		{"IPv4-mapped", "GPTBot/1.2", "::ffff:192.0.2.1", Verified},
		{"IPv6", "GPTBot/1.2", "2001:db8::1", Verified},
		{"outside", "GPTBot/1.2", "198.51.100.1", Impostor},
		{"ranges before DNS", googlebot, "192.0.2.1", Verified},
		{"nothing claimed", "Mozilla/5.0", "198.51.100.1", NoClaim},
		{"a claim that cannot be verified", "Bytespider", "198.51.100.1", NoClaim},
		{"one false claim of two", "GPTBot ClaudeBot curl/8", "198.51.100.1", Impostor},
		{"two true claims", "GPTBot ClaudeBot curl/8", "192.0.2.1", Verified},
	} {
		if got := judge(tt.ua, tt.ip); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := settled(t, v, googlebot, "198.51.100.1"); got != Verified {
		t.Errorf("outside of the ranges, but confirmed by DNS: %s", got)
	}
	without := NewVerifier(Options{Resolver: serve(t, zone{})})
	defer without.Destruct()
	if got := without.Verdict(Default().Match("GPTBot"), netip.MustParseAddr("192.0.2.1")); got != NoClaim {
		t.Errorf("without ranges GPTBot cannot be verified, but is %s", got)
	}
}

// A resolver of a test: counts, and answers what it is told.
type fake struct {
	mu    sync.Mutex
	asked int
	reply func(ctx context.Context, ip string) ([]string, error)
	addrs []netip.Addr
}

func (f *fake) LookupAddr(ctx context.Context, ip string) ([]string, error) {
	f.mu.Lock()
	f.asked++
	reply := f.reply
	f.mu.Unlock()
	return reply(ctx, ip)
}

func (f *fake) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return f.addrs, nil
}

func (f *fake) set(reply func(ctx context.Context, ip string) ([]string, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reply = reply
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func notFound(context.Context, string) ([]string, error) {
	return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
}

func fails(context.Context, string) ([]string, error) {
	return nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}
}

func named(context.Context, string) ([]string, error) { return []string{"crawl.googlebot.com."}, nil }

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ip := netip.MustParseAddr("192.0.2.1")
		f := &fake{reply: named, addrs: []netip.Addr{ip}}
		v := NewVerifier(Options{Resolver: f})
		m := Default().Match(googlebot)
		judge := func(ip netip.Addr) Verdict {
			v.Verdict(m, ip)
			synctest.Wait()
			return v.Verdict(m, ip)
		}
		for range 3 {
			if got := judge(ip); got != Verified || f.count() != 1 {
				t.Fatalf("%s after %d look-ups", got, f.count())
			}
		}
		// While an old answer is asked again it serves; when DNS then fails, too.
		time.Sleep(verifiedFor)
		f.set(fails)
		if got := v.Verdict(m, ip); got != Verified {
			t.Errorf("%s while an old answer is asked again", got)
		}
		synctest.Wait()
		for range 5 {
			time.Sleep(failedFor)
			if got := judge(ip); got != Verified {
				t.Errorf("%s after DNS failed", got)
			}
		}
		// An address that changed hands.
		f.set(notFound)
		time.Sleep(failedFor)
		if got := judge(ip); got != Impostor {
			t.Errorf("%s after the address changed hands", got)
		}
		n := f.count()
		time.Sleep(impostorFor - time.Second)
		if judge(ip) != Impostor || f.count() != n {
			t.Error("a negative answer is not remembered")
		}
		f.set(named)
		time.Sleep(time.Second)
		if got := judge(ip); got != Verified {
			t.Errorf("%s after the name came back", got)
		}
		_ = v.Destruct()
	})
}

// Who owns an address can let its name fail for ever, and is no crawler for it;
// but a resolver that answers nobody makes nobody an impostor.
func TestFailingNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{reply: fails}
		v := NewVerifier(Options{Resolver: f})
		m := Default().Match(googlebot)
		bad, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
		for range 10 {
			if got := v.Verdict(m, bad); got != Pending {
				t.Fatalf("%s while DNS answers nobody", got)
			}
			synctest.Wait()
			time.Sleep(failedFor)
		}
		f.set(notFound)
		v.Verdict(m, other)
		synctest.Wait()
		f.set(fails)
		for range 2 {
			v.Verdict(m, bad)
			synctest.Wait()
			time.Sleep(failedFor)
		}
		if got := v.Verdict(m, bad); got != Impostor {
			t.Errorf("%s, although DNS answers for others", got)
		}
		_ = v.Destruct()
	})
}

// Memory and look-ups are bounded whatever clients send, nobody waits, and a
// /64 is one client.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{reply: func(ctx context.Context, _ string) ([]string, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		v := NewVerifier(Options{Resolver: f, Entries: 100, Lookups: 8, Timeout: time.Second})
		m := Default().Match(googlebot)
		begin := time.Now()
		for i := range 1000 {
			ip := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			if got := v.Verdict(m, ip); got != Pending {
				t.Fatalf("%s", got)
			}
		}
		synctest.Wait()
		if f.count() != 8 || v.cache.len() > 100 || !time.Now().Equal(begin) {
			t.Errorf("%d look-ups at once, %d entries, %s passed", f.count(), v.cache.len(), time.Since(begin))
		}
		time.Sleep(2 * time.Second)
		f.set(notFound)
		n := f.count()
		for i := range 1000 {
			ip := netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i), 14: byte(i >> 8)})
			v.Verdict(m, ip)
			synctest.Wait()
		}
		if f.count() != n+1 {
			t.Errorf("%d look-ups for one /64", f.count()-n)
		}
		f.set(func(ctx context.Context, _ string) ([]string, error) { <-ctx.Done(); return nil, ctx.Err() })
		v.Verdict(m, netip.MustParseAddr("203.0.113.1"))
		_ = v.Destruct() // ends what is under way
		if !errors.Is(v.ctx.Err(), context.Canceled) {
			t.Error("not ended")
		}
	})
}

// A verified address in a /64 with an impostor stays verified.
func TestNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, bad := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
		f := &fake{addrs: []netip.Addr{good}, reply: named}
		v := NewVerifier(Options{Resolver: f})
		m := Default().Match(googlebot)
		for _, ip := range []netip.Addr{good, bad} {
			v.Verdict(m, ip)
			synctest.Wait()
		}
		if g, b := v.Verdict(m, good), v.Verdict(m, bad); g != Verified || b != Impostor {
			t.Errorf("good %s, bad %s", g, b)
		}
		_ = v.Destruct()
	})
}
