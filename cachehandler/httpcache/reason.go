package httpcache

// Reason is why a decision was taken. It is small, closed and comparable, so
// it can be a metric label and a test's expectation. What each one says is in
// the table of reasontext.go.
type Reason uint8

const (
	None Reason = iota

	// Why a request is not looked up, or an answer not shared.
	Method          // a method this cache never answers
	Upgrade         // the request asks for another protocol
	RequestBody     // a GET with content
	ContentTooLarge // a QUERY with more content than is read for the key
	Bypassed        // the administrator's bypass matcher
	SkipStore       // the administrator's skip_store matcher
	RequestNoStore  // the request's own no-store
	PassMemory      // its last answers were not storable
	RangeRequest    // a part was asked for, and is neither stored nor to be
	WaitTimeout     // it waited long enough for another's fetch
	StoreFailed     // the store did not answer
	StoreFull       // slow clients still read too much of what it dropped
	KeyTooLong      // a key over the bound
	ForOrigin       // If-Match or If-Unmodified-Since: only the origin may say

	// Why an answer may be stored, or not.
	Storable
	NoStore
	Private
	Authorization
	CookieRequest // the request has a Cookie, and the response does not say it is for all
	HasSetCookie
	VaryAny
	NoLifetime         // no explicit lifetime, no heuristic one, no validator
	StatusNotCacheable // a status this cache does not store
	MustUnderstand     // a status it does not understand
	PartialContent
	Stream       // an event stream, gRPC, Incremental: it is not to be held
	HasTrailer   // it announces trailers
	TooLarge     // over max_object_size
	TypeMismatch // the extension asked for is not what came (cache deception)
	TooManyTags  // more cache groups or purge tags than are kept of one response

	// What a stored answer is to a request.
	Fresh
	Expired
	NoCache         // the response's no-cache
	MustRevalidate  // must-revalidate, proxy-revalidate, s-maxage
	RequestNoCache  // the request's no-cache, or Pragma
	RequestMaxAge   // older than the request's max-age
	RequestMinFresh // less fresh than the request's min-fresh
	RequestMaxStale // stale, and the request takes it
	WhileRevalidate // stale-while-revalidate
	OnError         // stale-if-error
	NotModified     // the origin validated it
	OtherValidator  // the origin validated another response
	OnlyIfCached    // nothing stored, and the request wants nothing else
	VaryMiss        // stored, but no variant for this request
	URIMiss         // nothing stored under the key
	Incomplete      // only a part of what is asked for is stored
	Collapsed       // shared with a concurrent request
	OriginFailed    // the origin gave an error or none

	reasonCount
)

// String is the token used in Cache-Status detail, logs, metrics and
// placeholders: lower case with hyphens, and stable.
func (r Reason) String() string { return r.entry().token }

// Text is a sentence for a person.
func (r Reason) Text() string { return r.entry().text }

// Section names the clause that obliges or permits the decision, such as
// "RFC 9111 §3.5"; "" for an option's.
func (r Reason) Section() string { return r.entry().section }

func (r Reason) entry() *reasonEntry {
	if r >= reasonCount {
		r = None
	}
	return &reasonTable[r]
}
