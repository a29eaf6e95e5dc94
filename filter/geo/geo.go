// Package geo tells the country and the autonomous system of an address, from
// database files in the MaxMind DB format (GeoLite2, GeoIP2, DB-IP, IPinfo
// Lite; https://maxmind.github.io/MaxMind-DB/). It knows nothing of Caddy.
//
// # What it promises
//
//   - A lookup takes no lock and allocates nothing.
//   - A file that changes is read again in the background; one that is broken
//     changes nothing: the last good one stays in force, and the State and one
//     log line say why.
//   - The database is read into memory, not mapped: a file that is truncated
//     in place while it is mapped would kill the process.
package geo

import (
	"net/netip"
	"time"

	"go.uber.org/zap"
)

// A Country is an ISO 3166-1 alpha-2 code in upper case. The zero value is
// "unknown".
type Country [2]byte

// String returns the code, or the empty string if the country is unknown.
func (c Country) String() string {
	if c == (Country{}) {
		return ""
	}
	return string(c[:])
}

// A Place is what a database knows of an address; what it does not know is zero.
type Place struct {
	Country Country
	ASN     uint32 // the autonomous system's number (RFC 6793)
}

// A Config names a database file.
type Config struct {
	File string
	Poll time.Duration // how often the file is looked at; default 1m
	Log  *zap.Logger   // default: none
}

// A State is what is known of a database.
type State struct {
	File    string    `json:"file"`
	Type    string    `json:"type"`              // as the file says, e.g. GeoLite2-Country
	Built   time.Time `json:"built,omitzero"`    // as the file says
	Since   time.Time `json:"since,omitzero"`    // when it was loaded
	Nodes   uint      `json:"nodes,omitempty"`   // of its search tree
	Records int       `json:"records,omitempty"` // distinct ones
	Error   string    `json:"error,omitempty"`
	ErrorAt time.Time `json:"error_at,omitzero"`
}

// A Locator tells the place of an address: one database, or several.
type Locator interface {
	Lookup(ip netip.Addr) Place
}

// Databases asks several: countries and autonomous systems come in files of
// their own. What the first knows is not asked of the next.
type Databases []*DB

// Lookup returns what the databases together know of ip.
func (d Databases) Lookup(ip netip.Addr) Place {
	var place Place
	for _, db := range d {
		p := db.Lookup(ip)
		if place.Country == (Country{}) {
			place.Country = p.Country
		}
		if place.ASN == 0 {
			place.ASN = p.ASN
		}
	}
	return place
}
