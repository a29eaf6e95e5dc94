package geo

import (
	"fmt"
	"strconv"
	"strings"
)

// A CountrySet is a set of countries.
type CountrySet map[Country]struct{}

// Contains reports whether the set has a country. The unknown country is in no
// set.
func (s CountrySet) Contains(c Country) bool {
	_, ok := s[c]
	return ok
}

// Countries makes a set of codes, in either case. The error names a code that
// no country has: a rule for UK (it is GB) would never match.
func Countries(codes ...string) (CountrySet, error) {
	set := CountrySet{}
	for _, code := range codes {
		c, ok := ParseCountry(code)
		if !ok || !assigned(c) {
			return nil, fmt.Errorf("%q is not a country code (ISO 3166-1 alpha-2: DE, GB, US …)", code)
		}
		set[c] = struct{}{}
	}
	return set, nil
}

// countryCodes are those of ISO 3166-1, and XK, which publishers of databases
// use for Kosovo.
const countryCodes = "" +
	"AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
	"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR " +
	"GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT " +
	"JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO " +
	"MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY " +
	"QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO " +
	"TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"

func assigned(c Country) bool {
	return strings.Contains(countryCodes, c.String())
}

// ParseCountry reads a code in either case.
func ParseCountry(code string) (Country, bool) {
	if len(code) != len(Country{}) {
		return Country{}, false
	}
	var c Country
	for i := range c {
		c[i] = code[i] &^ 0x20 // upper case
		if c[i] < 'A' || c[i] > 'Z' {
			return Country{}, false
		}
	}
	return c, true
}

// An ASNSet is a set of autonomous systems.
type ASNSet map[uint32]struct{}

// Contains reports whether the set has a number. Zero, the unknown, is in no set.
func (s ASNSet) Contains(asn uint32) bool {
	_, ok := s[asn]
	return ok
}

// ASNs makes a set of numbers written as `AS64500` or `64500`. The error names
// one that is none.
func ASNs(numbers ...string) (ASNSet, error) {
	set := ASNSet{}
	for _, text := range numbers {
		n, ok := ParseASN(text)
		if !ok {
			return nil, fmt.Errorf("%q is not the number of an autonomous system, like AS64500", text)
		}
		set[n] = struct{}{}
	}
	return set, nil
}

// ParseASN reads `AS64500` or `64500`; 0 is reserved (RFC 7607) and refused.
func ParseASN(text string) (uint32, bool) {
	if len(text) > 2 && strings.EqualFold(text[:2], "AS") {
		text = text[2:]
	}
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil && n > 0
}
