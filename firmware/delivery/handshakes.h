// Whose TLS handshake goes on next. Each costs milliseconds of public-key work in two steps, so that a crowd of clients
// must not share the processor (then nobody ends in time) nor get it before clients that are connected already.
//
// First come, first served, and each is brought to its end before another begins. Last come, first served would do as
// well for clients that give up silently, but those in front would have waited for nothing; here a client that can not
// be served in time is told so when it comes. Those that resume a session cost little and have a lane of their own.
//
// Once there are too many, a newcomer whose client has few waiting is taken nevertheless, and the newest of a client
// with many is refused in its place: one address can not fill the queue. As long as nobody else comes it may.
//
// Belongs to one loop's thread. Knows no sockets; times are microseconds of one clock.
#ifndef DELIVERY_HANDSHAKES_H
#define DELIVERY_HANDSHAKES_H

#include <stdbool.h>
#include <stdint.h>

enum {
  // At work: begun, and answered by us less than the grace ago. So many keep a processor busy that needs 2 ms for each
  // when all clients are 100 ms away, or stop half-way; and so few are soon ended when they all answer at once.
  DELIVERY_HANDSHAKES_AT_WORK = 128,
  DELIVERY_HANDSHAKE_GRACE_US = 250000,
  DELIVERY_RESUMED_IN_A_ROW = 4,  // then one of the others
  // For the measure of how long a turn takes: so many, or a few once they took this part of the limit.
  DELIVERY_BEGUN_A_SAMPLE = 64,
  DELIVERY_BEGUN_A_SLOW_SAMPLE = 4,
  DELIVERY_SLOW_SAMPLES_A_LIMIT = 8,
  DELIVERY_WAITING_MANY = 8,  // more than a browser opens to one host
  DELIVERY_WAITING_SIZES = 32,
};

enum handshake_lane {
  HANDSHAKE_NOWHERE,  // its client is silent, or it is over
  HANDSHAKE_AWAY,     // its client is to answer; at work
  HANDSHAKE_RESUMED,  // waits for us, with little to do
  HANDSHAKE_KEYS,     // waits for us to end it
  HANDSHAKE_NEW,      // waits for us to begin
  HANDSHAKE_LANES
};

// What one client has in NEW; zeroed: nothing. It stays where it is while a handshake names it.
struct handshake_share {
  struct handshake_share *previous;  // among clients with about as many
  struct handshake_share *next;
  struct handshake *newest;
  unsigned waiting;
};

// One handshake's place; zeroed: NOWHERE.
struct handshake {
  struct handshake *previous;
  struct handshake *next;
  struct handshake *older;  // of the same share, in NEW
  struct handshake *newer;
  struct handshake_share *share;  // the owner's to set while it is NOWHERE; NULL: clients are not told apart
  uint64_t since_us;              // it is there
  uint64_t begun_us;              // first answered
  uint8_t lane;                   // enum handshake_lane
};

struct handshakes {
  struct handshake lanes[HANDSHAKE_LANES];  // sentinels of circular lists
  unsigned counts[HANDSHAKE_LANES];
  // Shares with many waiting by how often that number has doubled since MANY, so that one of the largest is at hand.
  struct handshake_share *large[DELIVERY_WAITING_SIZES];
  unsigned resumed_in_a_row;
  uint64_t limit_us;         // the longest wait that is worth it
  uint64_t turn_us;          // from one beginning to the next while others wait; 0: not known yet
  uint64_t sample_begin_us;  // of the measure under way
  unsigned begun;            // since then
};

void delivery_handshakes_init(struct handshakes *handshakes, uint64_t limit_us);
// The client has sent something: the handshake waits in that lane (RESUMED, KEYS or NEW). One that waits already stays
// where it is. False when a new one would have to wait longer than the limit: it is not taken. One whose client has few
// is, where another has many; then there is an excess.
bool delivery_handshakes_offer(struct handshakes *handshakes, struct handshake *handshake, enum handshake_lane lane,
                               uint64_t now_us);
// The next one to go on with, which is NOWHERE from now on; NULL when there is none or enough are at work.
struct handshake *delivery_handshakes_next(struct handshakes *handshakes, uint64_t now_us);
// It was begun, and now it is the client's turn.
void delivery_handshakes_await(struct handshakes *handshakes, struct handshake *handshake, uint64_t now_us);
// What came was not all of the client's turn: it is at work again for what is left of the grace since the above.
void delivery_handshakes_await_rest(struct handshakes *handshakes, struct handshake *handshake, uint64_t now_us);
// Takes it out, wherever it is.
void delivery_handshakes_leave(struct handshakes *handshakes, struct handshake *handshake);
// While the newest of the new ones would have waited too long in the end: it, or the newest of a client with many when
// its own client has few; otherwise NULL. The caller refuses it. Turns got longer, or one with few came.
struct handshake *delivery_handshakes_excess(const struct handshakes *handshakes, uint64_t now_us);
// When the next one may go on: 0 for now; UINT64_MAX when none waits.
uint64_t delivery_handshakes_due_us(const struct handshakes *handshakes);

#endif
