package geo_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-portico/portico/filter/geo"
	"github.com/caddy-portico/portico/internal/mmdbtest"
)

// As GeoLite2-City has it: much that is not wanted, before and after.
func country(code string) map[string]any {
	return map[string]any{
		"continent":          map[string]any{"code": "EU", "names": map[string]any{"en": "Europe"}},
		"country":            map[string]any{"geoname_id": uint32(1), "iso_code": code, "names": map[string]any{"en": "a name", "de": "ein Name"}},
		"registered_country": map[string]any{"iso_code": "ZZ"},
		"subdivisions":       []any{map[string]any{"iso_code": "QQ"}},
	}
}

func write(t *testing.T, path string, file []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, file []byte) *geo.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.mmdb")
	write(t, path, file)
	db, err := geo.Open(geo.Config{File: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Destruct() })
	return db
}

func place(code string, asn uint32) geo.Place {
	c, _ := geo.ParseCountry(code)
	return geo.Place{Country: c, ASN: asn}
}

func TestLookup(t *testing.T) {
	db := open(t, mmdbtest.File(map[string]any{
		"192.0.2.0/24":     country("DE"),
		"192.0.2.128/25":   country("FR"),
		"2001:db8::/32":    country("JP"),
		"198.51.100.0/24":  map[string]any{"autonomous_system_number": uint32(64500), "autonomous_system_organization": "an organisation with a name of more than 28 bytes"},
		"198.51.101.0/24":  map[string]any{"asn": "AS4200000000", "country_code": "US", "country": "United States", "continent_code": "NA"},
		"203.0.113.0/25":   map[string]any{"country": "NL"},
		"203.0.113.128/25": map[string]any{"registered_country": map[string]any{"iso_code": "ZZ"}},
	}))
	tests := []struct {
		name, ip string
		want     geo.Place
	}{
		{"MaxMind, country", "192.0.2.1", place("DE", 0)},
		{"the longest prefix", "192.0.2.200", place("FR", 0)},
		{"IPv4-mapped", "::ffff:192.0.2.200", place("FR", 0)},
		{"IPv6", "2001:db8::1", place("JP", 0)},
		{"IPv6 with a zone", "2001:db8::1%eth0", place("JP", 0)},
		{"MaxMind, ASN", "198.51.100.9", place("", 64500)},
		{"IPinfo", "198.51.101.9", place("US", 4200000000)},
		{"IPinfo, country as a text", "203.0.113.1", place("NL", 0)},
		{"registered elsewhere is not the country", "203.0.113.200", geo.Place{}},
		{"unknown", "8.8.8.8", geo.Place{}},
		{"unknown, IPv6", "2001:db9::1", geo.Place{}},
	}
	for _, tt := range tests {
		if got := db.Lookup(netip.MustParseAddr(tt.ip)); got != tt.want {
			t.Errorf("%s: %s is in %+v, want %+v", tt.name, tt.ip, got, tt.want)
		}
	}
	if got := db.Lookup(netip.Addr{}); got != (geo.Place{}) {
		t.Errorf("an invalid address is in %+v", got)
	}
	s := db.State()
	if s.Type != "Portico-Test" || s.Built.Unix() != 1_764_000_000 || s.Records != 7 || s.Since.IsZero() {
		t.Errorf("state %+v", s)
	}
}

func TestDatabases(t *testing.T) {
	countries := open(t, mmdbtest.File(map[string]any{"192.0.2.0/24": country("DE")}))
	systems := open(t, mmdbtest.File(map[string]any{"192.0.2.0/23": map[string]any{"autonomous_system_number": uint32(64500)}}))
	both := geo.Databases{countries, systems}
	if got := both.Lookup(netip.MustParseAddr("192.0.2.1")); got != place("DE", 64500) {
		t.Errorf("both: %+v", got)
	}
	if got := both.Lookup(netip.MustParseAddr("192.0.3.1")); got != place("", 64500) {
		t.Errorf("one: %+v", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	good := mmdbtest.File(map[string]any{"192.0.2.0/24": country("DE")})
	dir := t.TempDir()
	for name, file := range map[string][]byte{
		"empty":                {},
		"no database":          []byte("192.0.2.1\n"),
		"cut off":              good[:len(good)/2],
		"data cut out":         append(bytes.Clone(good[:len(good)-400]), good[bytes.Index(good, []byte("\xab\xcd\xefMaxMind")):]...),
		"of something else":    mmdbtest.File(map[string]any{"192.0.2.0/24": map[string]any{"is_tor": uint16(1)}}),
		"records that are not": mmdbtest.File(map[string]any{"192.0.2.0/24": "DE"}),
	} {
		path := filepath.Join(dir, "bad.mmdb")
		write(t, path, file)
		if _, err := geo.Open(geo.Config{File: path}); err == nil {
			t.Errorf("%s is opened", name)
		}
	}
	if _, err := geo.Open(geo.Config{File: filepath.Join(dir, "none.mmdb")}); err == nil {
		t.Error("a missing file is opened")
	}
}

// A file that changes is read again; a broken one changes nothing but the state.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.mmdb")
		good := mmdbtest.File(map[string]any{"192.0.2.0/24": country("DE")})
		write(t, path, good)
		core, logs := observer.New(zap.InfoLevel)
		db, err := geo.Open(geo.Config{File: path, Log: zap.New(core)})
		if err != nil {
			t.Fatal(err)
		}
		db.Start()
		ip := netip.MustParseAddr("192.0.2.1")
		poll := func() { time.Sleep(geo.DefaultPoll); synctest.Wait() }

		write(t, path, mmdbtest.File(map[string]any{"192.0.2.0/24": country("FR")}))
		poll()
		if got := db.Lookup(ip); got != place("FR", 0) {
			t.Errorf("after a replacement: %+v", got)
		}
		write(t, path, good[:len(good)-30])
		poll()
		poll()
		if s := db.State(); db.Lookup(ip) != place("FR", 0) || !strings.Contains(s.Error, "test.mmdb") {
			t.Errorf("after a broken one: %+v, %+v", db.Lookup(ip), s)
		}
		if n := logs.FilterMessageSnippet("not updated").Len(); n != 1 {
			t.Errorf("%d log lines for one broken file", n)
		}
		write(t, path, good)
		poll()
		if s := db.State(); db.Lookup(ip) != place("DE", 0) || s.Error != "" || logs.FilterMessageSnippet("good again").Len() != 1 {
			t.Errorf("after the mending: %+v, %+v", db.Lookup(ip), s)
		}
		if err := db.Destruct(); err != nil || db.Lookup(ip) != place("DE", 0) {
			t.Error("after the end:", err)
		}
	})
}

func TestConditions(t *testing.T) {
	countries, err := geo.Countries("de", "FR")
	if err != nil {
		t.Fatal(err)
	}
	systems, err := geo.ASNs("AS64500", "as64501", "4200000000")
	if err != nil {
		t.Fatal(err)
	}
	if !countries.Contains(place("DE", 0).Country) || countries.Contains(place("US", 0).Country) || countries.Contains(geo.Country{}) {
		t.Error("countries")
	}
	if !systems.Contains(64501) || !systems.Contains(4200000000) || systems.Contains(1) || systems.Contains(0) {
		t.Error("autonomous systems")
	}
	for _, code := range []string{"", "D", "DEU", "D1", "ДЕ", "@@", "[[", "UK", "EU", "XX", "D "} {
		if _, err := geo.Countries(code); err == nil {
			t.Errorf("%q is a country", code)
		}
	}
	for _, text := range []string{"", "AS", "0", "AS0", "4294967296", "ASX", "-1", "ASAS1"} {
		if _, err := geo.ASNs(text); err == nil {
			t.Errorf("%q is an autonomous system", text)
		}
	}
}

func TestAllocations(t *testing.T) {
	db := open(t, mmdbtest.File(map[string]any{"192.0.2.0/24": country("DE"), "2001:db8::/32": country("JP")}))
	ips := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("8.8.8.8")}
	if n := testing.AllocsPerRun(100, func() {
		for _, ip := range ips {
			db.Lookup(ip)
		}
	}); n != 0 {
		t.Errorf("a lookup allocates %v times", n)
	}
}

// FuzzOpen feeds broken databases: none may panic, and one that opens answers.
func FuzzOpen(f *testing.F) {
	good := mmdbtest.File(map[string]any{"192.0.2.0/24": country("DE"), "2001:db8::/32": country("JP")})
	f.Add(good, uint16(0), byte(0))
	f.Add(good, uint16(100), byte(0xff))
	f.Fuzz(func(t *testing.T, file []byte, at uint16, with byte) {
		if int(at) < len(file) {
			file = bytes.Clone(file)
			file[at] ^= with
		}
		path := filepath.Join(t.TempDir(), "f.mmdb")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := geo.Open(geo.Config{File: path})
		if err != nil {
			return
		}
		for _, ip := range []string{"192.0.2.1", "2001:db8::1", "255.255.255.255"} {
			_ = db.Lookup(netip.MustParseAddr(ip)).Country.String()
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	records := map[string]any{}
	for i := range 50_000 {
		records[fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255)] = map[string]any{"autonomous_system_number": uint32(i + 1)}
	}
	path := filepath.Join(b.TempDir(), "b.mmdb")
	if err := os.WriteFile(path, mmdbtest.File(records), 0o600); err != nil {
		b.Fatal(err)
	}
	db, err := geo.Open(geo.Config{File: path})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		db.Lookup(netip.AddrFrom4([4]byte{10, byte(i * 7), byte(i * 13), 1}))
	}
}
