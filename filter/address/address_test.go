package address_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-portico/portico/filter/address"
)

func texts(s *address.Set) []string {
	var all []string
	for p := range s.All() {
		all = append(all, p.String())
	}
	return all
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, list string
		want       []string
		hostBits   int
	}{
		{"nothing", "", nil, 0},
		{"address", "192.0.2.1\n", []string{"192.0.2.1/32"}, 0},
		{"no end of the last line", "192.0.2.1", []string{"192.0.2.1/32"}, 0},
		{"range", "192.0.2.0/24\n2001:db8::/32\n", []string{"192.0.2.0/24", "2001:db8::/32"}, 0},
		{"CR LF, blanks and a byte order mark", "\ufeff 192.0.2.1\t\r\n\r\n", []string{"192.0.2.1/32"}, 0},
		{"comments", "# a\n; b\n192.0.2.1 # c\n192.0.2.2;d\n", []string{"192.0.2.1/32", "192.0.2.2/32"}, 0},
		{"Spamhaus DROP", "; Spamhaus DROP List 2026/11/26\n192.0.2.0/24 ; SBL1\n198.51.100.0/24 ; SBL2\n", []string{"192.0.2.0/24", "198.51.100.0/24"}, 0},
		{"FireHOL netset", "#\n# firehol_level1\n#\n192.0.2.0/24\n198.51.100.7\n", []string{"192.0.2.0/24", "198.51.100.7/32"}, 0},
		{"duplicates", "192.0.2.1\n192.0.2.1/32\n", []string{"192.0.2.1/32"}, 0},
		{"host bits", "192.0.2.1/24\n", []string{"192.0.2.0/24"}, 1},
		{"RFC 4291-2.5.5.2 IPv4-mapped", "::ffff:192.0.2.1\n::ffff:198.51.100.0/120\n", []string{"192.0.2.1/32", "198.51.100.0/24"}, 0},
		{"IPv4-mapped with host bits", "::ffff:198.51.100.9/120\n", []string{"198.51.100.0/24"}, 1},
		{"wider than the IPv4-mapped addresses", "::ffff:192.0.2.1/64\n", []string{"::/64"}, 1},
		{"a-b", "192.0.2.5-192.0.2.8\n", []string{"192.0.2.5/32", "192.0.2.6/31", "192.0.2.8/32"}, 0},
		{"a - b with blanks", "192.0.2.0 - 192.0.2.255\n", []string{"192.0.2.0/24"}, 0},
		{"a-b of one address", "192.0.2.5-192.0.2.5\n", []string{"192.0.2.5/32"}, 0},
		{"a-b of everything", "0.0.0.0-255.255.255.255\n::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n", []string{"0.0.0.0/0", "::/0"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, report, err := address.Parse(strings.NewReader(tt.list), address.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, texts(set)); diff != "" {
				t.Errorf("ranges (-want +got):\n%s", diff)
			}
			if set.Len() != len(tt.want) || report.HostBits != tt.hostBits {
				t.Errorf("Len = %d, HostBits = %d, want %d and %d", set.Len(), report.HostBits, len(tt.want), tt.hostBits)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, list, want string }{
		{"a web page", "<!DOCTYPE html>\n", `line 1: "<!DOCTYPE html>" is not an address, a CIDR range or a range a-b`},
		{"the line", "192.0.2.1\n# x\n192.0.2.300\n", `line 3: "192.0.2.300" is not an address, a CIDR range or a range a-b`},
		{"prefix too long", "192.0.2.0/33\n", `line 1: "192.0.2.0/33" is not an address, a CIDR range or a range a-b`},
		{"two on a line", "192.0.2.1 192.0.2.2\n", `line 1: "192.0.2.1 192.0.2.2" is not an address, a CIDR range or a range a-b`},
		{"RFC 4007-6 zone", "fe80::1%eth0\n", `line 1: "fe80::1%eth0" has a zone, which means nothing on another machine`},
		{"b before a", "192.0.2.9-192.0.2.1\n", `line 1: 192.0.2.9-192.0.2.1 ends before it begins`},
		{"two families", "192.0.2.9-2001:db8::1\n", `line 1: 192.0.2.9-2001:db8::1 goes from one address family to the other`},
		{"long line", strings.Repeat("x", 81) + "\n", `line 1: longer than 80 bytes`},
		{"long last line", "\n" + strings.Repeat("x", 500), `line 2: longer than 80 bytes`},
		{"too many", "192.0.2.1\n192.0.2.3\n192.0.2.5\n192.0.2.7\n", `line 4: more than 3 ranges`},
		{"too many in one a-b", "192.0.2.1-192.0.2.254\n", `line 1: more than 3 ranges`},
		{"shortened", strings.Repeat("y", 70), `line 1: "` + strings.Repeat("y", 60) + `"… is not an address, a CIDR range or a range a-b`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, _, err := address.Parse(strings.NewReader(tt.list), address.Limits{Ranges: 3, Line: 80})
			if err == nil || err.Error() != tt.want {
				t.Errorf("Parse = %v, %v\nwant %s", texts(set), err, tt.want)
			}
		})
	}
}

// A line of exactly the limit is accepted, however it ends.
func TestParseLongestLine(t *testing.T) {
	line := "192.0.2.1 #" + strings.Repeat("x", 69)
	for _, end := range []string{"", "\n", "\r\n"} {
		set, _, err := address.Parse(strings.NewReader(line+end), address.Limits{Line: 80})
		if err != nil || set.Len() != 1 {
			t.Errorf("end %q: %d ranges, %v", end, set.Len(), err)
		}
	}
}

func TestParseRange(t *testing.T) {
	_, err := address.ParseRange("192.0.2.1/24")
	want := `"192.0.2.1/24" has host bits set: write 192.0.2.0/24 for the range or 192.0.2.1 for the one address`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if _, err := address.Of("192.0.2.0/24", "nonsense"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("Of: error %v does not name what is wrong", err)
	}
}

func TestContains(t *testing.T) {
	set, err := address.Of("192.0.2.0/24", "2001:db8::/32", "::ffff:203.0.113.0/120", "fe80::/10")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		ip   string
		bits int // of the match; -1: none
	}{
		{"192.0.2.7", 24},
		{"192.0.3.7", -1},
		{"::ffff:192.0.2.7", 24},
		{"203.0.113.9", 24},
		{"2001:db8:1::1", 32},
		{"2001:db9::1", -1},
		{"fe80::1%eth0", 10},
	}
	for _, tt := range tests {
		ip := netip.MustParseAddr(tt.ip)
		bits, ok := set.Match(ip)
		if set.Contains(ip) != (tt.bits >= 0) || ok != (tt.bits >= 0) || ok && bits != tt.bits {
			t.Errorf("%s: Contains = %t, Match = %d %t, want bits %d", ip, set.Contains(ip), bits, ok, tt.bits)
		}
	}
	all6, _ := address.Of("::/0")
	if all6.Contains(netip.MustParseAddr("192.0.2.1")) {
		t.Error("::/0 contains an IPv4 address")
	}
}

func TestEmpty(t *testing.T) {
	var builder address.Builder
	for name, set := range map[string]*address.Set{"nil": nil, "zero": {}, "built": builder.Set()} {
		if set.Contains(netip.MustParseAddr("192.0.2.1")) || set.Contains(netip.Addr{}) || set.Len() != 0 || texts(set) != nil {
			t.Errorf("%s: the empty set has something", name)
		}
		if _, ok := set.Match(netip.MustParseAddr("::1")); ok {
			t.Errorf("%s: the empty set matches", name)
		}
	}
	full, _ := address.Of("0.0.0.0/0", "::/0")
	if _, ok := full.Match(netip.Addr{}); ok || full.Contains(netip.Addr{}) {
		t.Error("an invalid address is in a set")
	}
}

func TestClient(t *testing.T) {
	tests := []struct{ ip, want string }{
		{"192.0.2.7", "192.0.2.7/32"},
		{"::ffff:192.0.2.7", "192.0.2.7/32"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"fe80::1%eth0", "fe80::/64"},
	}
	for _, tt := range tests {
		if got := address.Client(netip.MustParseAddr(tt.ip)).String(); got != tt.want {
			t.Errorf("Client(%s) = %s, want %s", tt.ip, got, tt.want)
		}
	}
	if address.Client(netip.Addr{}) != (netip.Prefix{}) {
		t.Error("an invalid address is a client")
	}
}

func TestDecide(t *testing.T) {
	of := func(ranges ...string) address.Matcher {
		set, err := address.Of(ranges...)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	rules := address.Rules{
		Allow: []address.Matcher{of("192.0.2.7", "198.51.100.0/24"), of("203.0.113.0/24", "2001:db8:1::/48")},
		Deny:  []address.Matcher{of("192.0.2.0/24"), of("198.51.100.16/28", "203.0.113.0/24", "2001:db8::/32")},
	}
	tests := []struct {
		name, ip string
		want     address.Decision
	}{
		{"in no list", "8.8.8.8", address.Unlisted},
		{"denied", "192.0.2.8", address.Denied},
		{"allowed inside denied", "192.0.2.7", address.Allowed},
		{"the same, IPv4-mapped", "::ffff:192.0.2.7", address.Allowed},
		{"allowed", "198.51.100.1", address.Allowed},
		{"denied inside allowed", "198.51.100.17", address.Denied},
		{"the same range in both", "203.0.113.1", address.Allowed},
		{"IPv6, in another list", "2001:db8:1::1", address.Allowed},
		{"IPv6 denied", "2001:db8:2::1", address.Denied},
	}
	for _, tt := range tests {
		if got := rules.Decide(netip.MustParseAddr(tt.ip)); got != tt.want {
			t.Errorf("%s: %s is %s, want %s", tt.name, tt.ip, got, tt.want)
		}
	}
}

// The slow twin: all ranges, one after the other.
type linear []netip.Prefix

func (l linear) match(ip netip.Addr) int {
	best := -1
	for _, p := range l {
		if p.Contains(ip) {
			best = max(best, p.Bits())
		}
	}
	return best
}

func randomAddr(r *rand.Rand) netip.Addr {
	if r.IntN(2) == 0 { // narrow, so that ranges overlap and questions hit
		return netip.AddrFrom4([4]byte{10, byte(r.IntN(3)), byte(r.IntN(256)), byte(r.IntN(256))})
	}
	b := [16]byte{0: 0x20, 1: 0x01, 7: byte(r.IntN(4)), 15: byte(r.IntN(256))}
	return netip.AddrFrom16(b)
}

func TestTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var builder address.Builder
		var twin linear
		for range 1 + r.IntN(200) {
			ip := randomAddr(r)
			p := netip.PrefixFrom(ip, r.IntN(ip.BitLen()+1))
			builder.Add(p)
			twin = append(twin, p.Masked())
		}
		set := builder.Set()
		for range 500 {
			ip := randomAddr(r)
			want := twin.match(ip)
			bits, ok := set.Match(ip)
			if ok != (want >= 0) || ok && bits != want || set.Contains(ip) != ok {
				t.Fatalf("%s: Match = %d %t, Contains = %t, want %d in %v", ip, bits, ok, set.Contains(ip), want, twin)
			}
		}
	}
}

// FuzzParse holds the parser, the set and the decomposition of a-b to a twin
// that compares addresses.
func FuzzParse(f *testing.F) {
	f.Add("192.0.2.0/24 ; SBL1\n# c\n::1\n", "192.0.2.9")
	f.Add("192.0.2.5-192.0.3.77\n", "192.0.2.255")
	f.Add("2001:db8::1-2001:db8::ffff:1\n", "2001:db8::1:0")
	f.Add("::ffff:1.2.3.4/100\n", "::ffff:1.2.3.4")
	f.Fuzz(func(t *testing.T, list, question string) {
		set, _, err := address.Parse(strings.NewReader(list), address.Limits{Ranges: 2000})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "line ") {
				t.Fatalf("the error names no line: %v", err)
			}
			return
		}
		again, _, err := address.Parse(strings.NewReader(strings.Join(texts(set), "\n")), address.Limits{})
		if err != nil || !cmp.Equal(texts(set), texts(again)) {
			t.Fatalf("what was read is not read again: %v, %v", texts(set), err)
		}
		ip, err := netip.ParseAddr(question)
		if err != nil {
			return
		}
		if got, want := set.Contains(ip), slowContains(list, ip); got != want {
			t.Fatalf("Contains(%s) = %t, want %t in %q", ip, got, want, list)
		}
	})
}

// slowContains reads lists by comparing addresses, without prefixes for a-b.
func slowContains(list string, ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	list = strings.TrimPrefix(list, "\ufeff")
	for line := range strings.Lines(list) {
		line, _, _ = strings.Cut(line, "#")
		line, _, _ = strings.Cut(line, ";")
		line = strings.TrimSpace(line)
		if from, to, ok := strings.Cut(line, "-"); ok {
			a, b := netip.MustParseAddr(strings.TrimSpace(from)).Unmap(), netip.MustParseAddr(strings.TrimSpace(to)).Unmap()
			if a.BitLen() == ip.BitLen() && a.Compare(ip) <= 0 && ip.Compare(b) <= 0 {
				return true
			}
		} else if p, err := netip.ParsePrefix(line); err == nil {
			if p.Addr().Is4In6() && p.Bits() >= 96 {
				p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
			}
			if p.Contains(ip) {
				return true
			}
		} else if a, err := netip.ParseAddr(line); err == nil && a.Unmap() == ip {
			return true
		}
	}
	return false
}

func TestAllocations(t *testing.T) {
	set := big(10_000)
	ip, miss := netip.MustParseAddr("::ffff:10.1.2.3"), netip.MustParseAddr("2001:db8::1")
	rules := address.Rules{Allow: []address.Matcher{set}, Deny: []address.Matcher{set}}
	for name, f := range map[string]func(){
		"Contains": func() { set.Contains(ip); set.Contains(miss) },
		"Match":    func() { set.Match(ip); set.Match(miss) },
		"Decide":   func() { rules.Decide(ip); rules.Decide(miss) },
		"Client":   func() { address.Client(ip); address.Client(miss) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// big makes a set like a large blocklist: single addresses and networks all
// over IPv4, one in ten of IPv6.
func big(n int) *address.Set {
	var b address.Builder
	for _, p := range prefixes(n) {
		b.Add(p)
	}
	return b.Set()
}

func prefixes(n int) []netip.Prefix {
	r := rand.New(rand.NewPCG(3, 4))
	all := make([]netip.Prefix, 0, n)
	for i := range n {
		if i%10 == 9 {
			var b [16]byte
			b[0], b[1] = 0x2a, byte(r.IntN(16))
			for j := 2; j < 8; j++ {
				b[j] = byte(r.IntN(256))
			}
			all = append(all, netip.PrefixFrom(netip.AddrFrom16(b), 32+r.IntN(33)))
			continue
		}
		v := r.Uint32()
		ip := netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		bits := 32
		if i%4 == 0 {
			bits = 16 + r.IntN(16)
		}
		all = append(all, netip.PrefixFrom(ip, bits))
	}
	return all
}

func Example() {
	set, _, err := address.Parse(strings.NewReader("# office\n192.0.2.0/28\n192.0.2.40-192.0.2.47\n"), address.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(set.Len(), set.Contains(netip.MustParseAddr("192.0.2.41")), set.Contains(netip.MustParseAddr("192.0.2.48")))
	// Output: 2 true false
}
