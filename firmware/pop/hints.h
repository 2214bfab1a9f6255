// What a request says about the device and the network behind it, and what that does to a recipe.
//
// Fields: DPR, Width, Viewport-Width, RTT, Downlink and ECT, each also with Sec-CH- in front (which then counts),
// Save-Data, and for clients that tell no DPR a small table over User-Agent. All of it is snapped to few classes, so
// that no choice of fields makes many variants of one URL:
//
//   DPR       1, 1.5, 2 or 3: the first that is at most a tenth too small; 3 above
//   widths    the next step of the tenant's ladder that is no smaller, in physical pixels
//   network   slow    Save-Data: on, ECT of 2g or less, RTT >= 1000 ms, Downlink < 0.4 Mbit/s
//             medium  ECT of 3g, RTT >= 300 ms, Downlink < 1.5 Mbit/s
//             fast    all others, and who says nothing
//
// Where the URL leaves q to us it is 80 on a fast network, 70 on a medium and 55 on a slow one; on a slow one fm=auto
// takes the smallest format that the client reads at all.
#ifndef POP_HINTS_H
#define POP_HINTS_H

#include "http/message.h"
#include "pop/address.h"
#include "pop/pop.h"

enum pop_network { POP_NETWORK_FAST, POP_NETWORK_MEDIUM, POP_NETWORK_SLOW };

// What a URL leaves to the request's fields.
enum pop_open { POP_OPEN_FORMAT = 1, POP_OPEN_DPR = 2, POP_OPEN_SIZE = 4, POP_OPEN_QUALITY = 8, POP_OPEN_ALL = 15 };

struct pop_hints {
  uint32_t dpr_milli;  // 1000, 1500, 2000, 3000; 0: nothing is known
  uint32_t width;      // physical pixels, a step of the ladder; 0: nothing said
  uint32_t viewport;   // CSS pixels, rounded up to a multiple of 16; 0: nothing said
  uint32_t network;    // enum pop_network
};

// The bits of enum pop_open for a URL: a function of it and the tenant alone. With the tenant's hints = off only the
// format can be open. IIIF leaves nothing open, imgproxy at most the format.
unsigned pop_hints_open(const struct pop_address *address, const struct pop_tenant *tenant);
// Reads the fields that matter to what is open; everything else is zero. Numbers are bare items of RFC 8941, but with
// any number of decimals, as browsers print floats. Malformed and repeated fields count as absent.
void pop_hints_read(const struct http_request *request, unsigned open, const struct pop_tenant *tenant,
                    struct pop_hints *out);
// Fills in what is open of size, DPR and quality. *used_dpr is the DPR that made the size, or 0.
void pop_hints_apply(const struct pop_hints *hints, unsigned open, const struct pop_tenant *tenant,
                     struct recipe *recipe, uint32_t *used_dpr_milli);
// Vary for what is open: never depends on the fields that came. "" when nothing is. Static.
const char *pop_hints_vary(unsigned open);
// Critical-CH: the hints without which a page should rather ask again, where the picture's pixels depend on them. ""
// for none. Static.
const char *pop_hints_critical(unsigned open);
// Accept-CH, the same for all URLs of a tenant that takes hints. Static.
const char *pop_hints_accepted(void);

#endif
