package geo

import "github.com/oschwald/maxminddb-golang/v2/mmdbdata"

// A record is one of a database, of which only the place is kept. It reads the
// fields of the publishers:
//
//	country.iso_code           MaxMind, DB-IP
//	country_code, country      IPinfo ("country" is then a text)
//	autonomous_system_number   MaxMind, DB-IP
//	asn                        IPinfo ("AS64500")
//
// MaxMind's registered_country is not taken for the country: it says where the
// range is registered, not where the client is.
type record struct{ place Place }

// UnmarshalMaxMindDBCursor implements mmdbdata.CursorUnmarshaler.
func (r *record) UnmarshalMaxMindDBCursor(c mmdbdata.Cursor) (mmdbdata.Cursor, error) {
	return eachField(c, func(key string, value mmdbdata.Cursor) (mmdbdata.Cursor, error) {
		switch key {
		case "country":
			return r.country(value)
		case "country_code":
			return r.code(value)
		case "asn", "autonomous_system_number":
			return r.asn(value)
		}
		return value.Skip()
	})
}

func (r *record) country(c mmdbdata.Cursor) (mmdbdata.Cursor, error) {
	kind, err := c.Kind()
	if err != nil {
		return c, err
	}
	if kind != mmdbdata.KindMap {
		return r.code(c)
	}
	return eachField(c, func(key string, value mmdbdata.Cursor) (mmdbdata.Cursor, error) {
		if key == "iso_code" {
			return r.code(value)
		}
		return value.Skip()
	})
}

// code takes a country's code; a text that is none (IPinfo's name of the
// country) is passed over.
func (r *record) code(c mmdbdata.Cursor) (mmdbdata.Cursor, error) {
	kind, err := c.Kind()
	if err != nil {
		return c, err
	}
	if kind != mmdbdata.KindString {
		return c.Skip()
	}
	text, next, err := c.ReadString()
	if country, ok := ParseCountry(text); ok {
		r.place.Country = country
	}
	return next, err
}

func (r *record) asn(c mmdbdata.Cursor) (mmdbdata.Cursor, error) {
	kind, err := c.Kind()
	switch {
	case err != nil:
		return c, err
	case kind == mmdbdata.KindUint16, kind == mmdbdata.KindUint32, kind == mmdbdata.KindUint64:
		n, next, err := c.ReadUint()
		if n <= 1<<32-1 {
			r.place.ASN = uint32(n)
		}
		return next, err
	case kind == mmdbdata.KindString:
		text, next, err := c.ReadString()
		if n, ok := ParseASN(text); ok {
			r.place.ASN = n
		}
		return next, err
	}
	return c.Skip()
}

// eachField gives the fields of a map to take, which returns what follows the
// value.
func eachField(
	c mmdbdata.Cursor, take func(key string, value mmdbdata.Cursor) (mmdbdata.Cursor, error),
) (mmdbdata.Cursor, error) {
	fields, err := c.Map()
	if err != nil {
		return c, err
	}
	var after mmdbdata.Cursor
	for {
		key, value, ok := fields.Next(after)
		if !ok {
			return fields.End()
		}
		if after, err = take(string(key), value); err != nil {
			return c, err
		}
	}
}

var _ mmdbdata.CursorUnmarshaler = (*record)(nil)
