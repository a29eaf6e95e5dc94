// Package estimate predicts how long an upstream host would take to answer one
// more request, from what became of the requests sent to it so far.
//
// A [Host] is told when a request leaves ([Host.Begin]) and what became of it
// ([Host.End]), and answers [Host.Predict]. It learns:
//
//   - Latency, from dispatch to the response header, conditioned on how many
//     requests were in flight at dispatch. Response time already contains
//     queueing, so a plain mean multiplied by the load (as peak EWMA does) counts
//     the queue twice; a curve over the load does not, and needs no knowledge
//     of how many requests a host can serve at once. This is the estimate that
//     servers report in Prequal (Wydrowski et al., "Load is not what you should
//     balance", NSDI 2024, arXiv:2312.10172), taken at the client, without probes.
//   - Failures. They never count as fast answers: they feed the success rate, and
//     the predicted time is that until a success. (Linkerd had to add such a
//     penalty in 2026, because a 503 after one millisecond looks like a fast host.)
//   - Silence. Requests that are in flight for much longer than predicted, with
//     no answer in between, are a lower bound of the latency now, before any
//     of them ends. nginx's least_time calls this "inflight".
//   - Cancelled requests are censored samples: a client that gave up after a
//     second says that the latency was at least a second. They only raise.
//
// The curve never falls as the load grows, and beyond the loads that were seen it
// goes on as if the host were full. That takes the place of Prequal's hot and cold
// hosts: nobody is sent more than twice as much as is known to go well. A single
// answer counts at most a few times what was expected, so that a long poll now
// and then does not make a host look slow.
//
// A load that was hardly seen of late does not count in the curve, and
// [Prediction.Samples] says on how many answers the whole of it rests: the first
// answers of a host scatter, and those that come back first are the fastest.
//
// What it knows fades with a time constant ([Config.Decay]), and a host that gets
// no requests because it looks bad is offered one trial request at a time
// ([Host.Trial]). A good answer leads to the next trial at once, so a recovered
// host is back after a few dozen answers; a bad one waits, though less long while
// the other hosts are strained.
//
// Everything here is pure computing: the clock is an argument, a reading of any
// monotonic clock since any fixed origin. There is no goroutine, no I/O and no
// randomness. A Host is safe for concurrent use; Predict takes no lock.
package estimate
