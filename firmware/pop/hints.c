#include "hints.h"

#include <string.h>

#include "base/checked.h"
#include "tenant.h"

enum {
  DPR_UNIT = 1000,
  MAX_WHOLE_DIGITS = 6,
  VIEWPORT_STEP = 16,
  MEDIUM_QUALITY = 70,
  SLOW_QUALITY = 55,
};

// The fields, the one that counts more before its older name.
enum field {
  SEC_DPR,
  DPR,
  SEC_WIDTH,
  WIDTH,
  SEC_VIEWPORT,
  VIEWPORT,
  SAVE_DATA,
  SEC_ECT,
  ECT,
  SEC_RTT,
  RTT,
  SEC_DOWNLINK,
  DOWNLINK,
  USER_AGENT,
  FIELD_COUNT
};

static const struct {
  const char *name;
  uint8_t open;  // it matters when one of these is
} fields[FIELD_COUNT] = {
#define FIELD(text, matters_to) \
  { text, matters_to }
    [SEC_DPR] = FIELD("sec-ch-dpr", POP_OPEN_DPR),
    [DPR] = FIELD("dpr", POP_OPEN_DPR),
    [SEC_WIDTH] = FIELD("sec-ch-width", POP_OPEN_SIZE),
    [WIDTH] = FIELD("width", POP_OPEN_SIZE),
    [SEC_VIEWPORT] = FIELD("sec-ch-viewport-width", POP_OPEN_SIZE),
    [VIEWPORT] = FIELD("viewport-width", POP_OPEN_SIZE),
    [SAVE_DATA] = FIELD("save-data", POP_OPEN_QUALITY),
    [SEC_ECT] = FIELD("sec-ch-ect", POP_OPEN_QUALITY),
    [ECT] = FIELD("ect", POP_OPEN_QUALITY),
    [SEC_RTT] = FIELD("sec-ch-rtt", POP_OPEN_QUALITY),
    [RTT] = FIELD("rtt", POP_OPEN_QUALITY),
    [SEC_DOWNLINK] = FIELD("sec-ch-downlink", POP_OPEN_QUALITY),
    [DOWNLINK] = FIELD("downlink", POP_OPEN_QUALITY),
    [USER_AGENT] = FIELD("user-agent", POP_OPEN_DPR),
#undef FIELD
};

// The fields by the length of their names, which tells most fields of a request apart; each number one too high, so
// that zero is none.
enum { MAX_NAME_BYTES = 21, MAX_NAMESAKES = 4 };
static const uint8_t by_length[MAX_NAME_BYTES + 1][MAX_NAMESAKES] = {
    [3] = {DPR + 1, ECT + 1, RTT + 1},
    [5] = {WIDTH + 1},
    [8] = {DOWNLINK + 1},
    [9] = {SAVE_DATA + 1},
    [10] = {USER_AGENT + 1, SEC_DPR + 1, SEC_ECT + 1, SEC_RTT + 1},
    [12] = {SEC_WIDTH + 1},
    [14] = {VIEWPORT + 1},
    [15] = {SEC_DOWNLINK + 1},
    [MAX_NAME_BYTES] = {SEC_VIEWPORT + 1},
};

// --- what is open ---

static unsigned open_of_native(const struct recipe *recipe) {
  unsigned open = 0;
  if (recipe->format == RECIPE_FORMAT_AUTO) open |= POP_OPEN_FORMAT;
  if (!recipe->dpr_milli) open |= POP_OPEN_DPR;
  if (!recipe->width && !recipe->height) open |= POP_OPEN_SIZE;
  if (!recipe->quality && !recipe->lossless && recipe->format != RECIPE_FORMAT_PNG) open |= POP_OPEN_QUALITY;
  return open;
}

unsigned pop_hints_open(const struct pop_address *address, const struct pop_tenant *tenant) {
  switch (address->grammar) {
    case POP_IIIF:
      return 0;
    case POP_IMGPROXY:
      return address->wish.imgproxy.format == RECIPE_FORMAT_AUTO ? POP_OPEN_FORMAT : 0;
    default:
      return open_of_native(&address->recipe) & (tenant->hints_off ? POP_OPEN_FORMAT : POP_OPEN_ALL);
  }
}

#define ACCEPT_FIELDS "Accept"
#define DPR_FIELDS "DPR, Sec-CH-DPR, User-Agent"
#define SIZE_FIELDS "Width, Sec-CH-Width, Viewport-Width, Sec-CH-Viewport-Width"
#define NETWORK_FIELDS "Save-Data, ECT, Sec-CH-ECT, RTT, Sec-CH-RTT, Downlink, Sec-CH-Downlink"

const char *pop_hints_vary(unsigned open) {
  static const char *const all[POP_OPEN_ALL + 1] = {
      "",
      ACCEPT_FIELDS,
      DPR_FIELDS,
      ACCEPT_FIELDS ", " DPR_FIELDS,
      SIZE_FIELDS,
      ACCEPT_FIELDS ", " SIZE_FIELDS,
      DPR_FIELDS ", " SIZE_FIELDS,
      ACCEPT_FIELDS ", " DPR_FIELDS ", " SIZE_FIELDS,
      NETWORK_FIELDS,
      ACCEPT_FIELDS ", " NETWORK_FIELDS,
      DPR_FIELDS ", " NETWORK_FIELDS,
      ACCEPT_FIELDS ", " DPR_FIELDS ", " NETWORK_FIELDS,
      SIZE_FIELDS ", " NETWORK_FIELDS,
      ACCEPT_FIELDS ", " SIZE_FIELDS ", " NETWORK_FIELDS,
      DPR_FIELDS ", " SIZE_FIELDS ", " NETWORK_FIELDS,
      ACCEPT_FIELDS ", " DPR_FIELDS ", " SIZE_FIELDS ", " NETWORK_FIELDS,
  };
  return all[open & POP_OPEN_ALL];
}

const char *pop_hints_critical(unsigned open) {
  static const char *const all[] = {"", "Sec-CH-DPR", "Sec-CH-Viewport-Width", "Sec-CH-DPR, Sec-CH-Viewport-Width"};
  return all[(open & POP_OPEN_DPR ? 1 : 0) + (open & POP_OPEN_SIZE ? 2 : 0)];
}

const char *pop_hints_accepted(void) {
  return "Sec-CH-DPR, Sec-CH-Width, Sec-CH-Viewport-Width, Sec-CH-ECT, Sec-CH-RTT, Sec-CH-Downlink, DPR, Width, "
         "Viewport-Width, ECT, RTT, Downlink";
}

// --- reading ---

// A bare integer or decimal that is not negative, in thousandths; what is finer is cut off.
static bool parse_milli(struct base_span text, uint32_t *out) {
  uint32_t milli = 0, weight = DPR_UNIT;
  size_t at = 0;
  while (at < text.bytes && text.data[at] >= '0' && text.data[at] <= '9') {
    if (at == MAX_WHOLE_DIGITS) return false;
    milli = milli * 10 + (uint32_t)(text.data[at++] - '0');
  }
  if (at == 0) return false;
  milli *= DPR_UNIT;
  if (at < text.bytes) {
    if (text.data[at++] != '.' || at == text.bytes) return false;
    for (; at < text.bytes; at++) {
      if (text.data[at] < '0' || text.data[at] > '9') return false;
      weight /= 10;
      milli += (uint32_t)(text.data[at] - '0') * weight;
    }
  }
  *out = milli;
  return true;
}

// The number in the first of two fields that holds one.
static bool find_milli(const struct base_span values[FIELD_COUNT], enum field first, enum field second, uint32_t *out) {
  return parse_milli(values[first], out) || parse_milli(values[second], out);
}

// Collects the values; a repeated field is left empty, as a list is no item.
static void collect(const struct http_request *request, unsigned open, struct base_span values[FIELD_COUNT]) {
  unsigned seen = 0;
  memset(values, 0, FIELD_COUNT * sizeof values[0]);
  for (size_t i = 0; i < request->header_count; i++) {
    const struct http_header *header = &request->headers[i];
    if (header->name.bytes > MAX_NAME_BYTES) continue;
    const uint8_t *candidates = by_length[header->name.bytes];
    for (unsigned c = 0; c < MAX_NAMESAKES && candidates[c]; c++) {
      const unsigned f = candidates[c] - 1u;
      if (!(fields[f].open & open) || (header->name.data[0] | 0x20) != fields[f].name[0]) continue;
      if (!base_span_is_nocase(header->name, fields[f].name)) continue;
      values[f] = seen & 1u << f ? base_span_of(NULL, 0) : header->value;
      seen |= 1u << f;
      break;
    }
  }
}

static bool contains(struct base_span text, const char *word) {
  return text.bytes && memmem(text.data, text.bytes, word, strlen(word)) != NULL;
}

// By the platform, which browsers write behind the first '('. The usual screen of each, rather too sharp than blurred;
// 0 for those of which nothing is known, which are taken for plain ones.
static uint32_t guess_dpr(struct base_span agent) {
  static const struct {
    const char *platform;
    uint32_t dpr_milli;
  } table[] = {
      {"iPhone", 3000},        {"iPod", 2000},      {"iPad", 2000},           {"Macintosh", 2000},
      {"Windows Phone", 1500}, {"X11; CrOS", 1500}, {"Linux; Android", 1500},
  };
  const uint8_t *open = agent.bytes ? memchr(agent.data, '(', agent.bytes) : NULL;
  if (!open) return 0;
  const size_t from = (size_t)(open - agent.data) + 1;
  const struct base_span platform = base_span_of(agent.data + from, agent.bytes - from);
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    if (!base_span_starts_with(platform, table[i].platform)) continue;
    // Of Android the telephones are sharp; tablets and television sets are not.
    const bool is_phone = table[i].platform[0] == 'L' && contains(platform, " Mobile");
    return is_phone ? 3000 : table[i].dpr_milli;
  }
  return 0;
}

static uint32_t snap_dpr(uint32_t milli) {
  static const uint32_t classes[] = {1000, 1500, 2000};
  for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
    if (milli <= classes[i] + classes[i] / 10) return classes[i];
  }
  return 3000;
}

static uint32_t snap_width(uint64_t width, const struct pop_tenant *tenant) {
  size_t count;
  const uint32_t *steps = pop_tenant_ladder(tenant, &count);
  for (size_t i = 0; i < count; i++) {
    if (width <= steps[i]) return steps[i];
  }
  return steps[count - 1];
}

static enum pop_network read_ect(const struct base_span values[FIELD_COUNT]) {
  static const struct {
    const char *text;
    enum pop_network network;
  } names[] = {{"slow-2g", POP_NETWORK_SLOW}, {"2g", POP_NETWORK_SLOW}, {"3g", POP_NETWORK_MEDIUM}};
  struct base_span value = values[SEC_ECT].bytes ? values[SEC_ECT] : values[ECT];
  // "4g" is no token of RFC 8941, so some write it as a string.
  if (value.bytes > 2 && value.data[0] == '"' && value.data[value.bytes - 1] == '"') {
    value = base_span_of(value.data + 1, value.bytes - 2);
  }
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (base_span_is_nocase(value, names[i].text)) return names[i].network;
  }
  return POP_NETWORK_FAST;
}

static enum pop_network slower(enum pop_network a, enum pop_network b) { return a > b ? a : b; }

static enum pop_network read_network(const struct base_span values[FIELD_COUNT]) {
  enum { SLOW_RTT_MS = 1000, MEDIUM_RTT_MS = 300, SLOW_DOWNLINK_KBIT = 400, MEDIUM_DOWNLINK_KBIT = 1500 };
  uint32_t milli;
  enum pop_network network = read_ect(values);
  if (base_span_is_nocase(values[SAVE_DATA], "on")) network = POP_NETWORK_SLOW;
  if (find_milli(values, SEC_RTT, RTT, &milli)) {
    const uint32_t ms = milli / 1000;
    if (ms >= MEDIUM_RTT_MS) network = slower(network, ms >= SLOW_RTT_MS ? POP_NETWORK_SLOW : POP_NETWORK_MEDIUM);
  }
  if (find_milli(values, SEC_DOWNLINK, DOWNLINK, &milli) && milli < MEDIUM_DOWNLINK_KBIT) {
    network = slower(network, milli < SLOW_DOWNLINK_KBIT ? POP_NETWORK_SLOW : POP_NETWORK_MEDIUM);
  }
  return network;
}

void pop_hints_read(const struct http_request *request, unsigned open, const struct pop_tenant *tenant,
                    struct pop_hints *out) {
  struct base_span values[FIELD_COUNT];
  uint32_t milli;
  *out = (struct pop_hints){0};
  if (!(open & ~(unsigned)POP_OPEN_FORMAT)) return;
  collect(request, open, values);
  if (open & POP_OPEN_DPR) {
    const bool is_told = find_milli(values, SEC_DPR, DPR, &milli) && milli > 0;
    out->dpr_milli = is_told ? snap_dpr(milli) : guess_dpr(values[USER_AGENT]);
  }
  if (find_milli(values, SEC_WIDTH, WIDTH, &milli) && milli > 0) {
    out->width = snap_width((milli + 999) / 1000, tenant);
  } else if (find_milli(values, SEC_VIEWPORT, VIEWPORT, &milli) && milli > 0) {
    const uint32_t pixels = (uint32_t)base_min_u64((milli + 999) / 1000, IMAGE_MAX_BOX_SIDE);
    out->viewport = (pixels + VIEWPORT_STEP - 1) / VIEWPORT_STEP * VIEWPORT_STEP;
  }
  if (open & POP_OPEN_QUALITY) out->network = read_network(values);
}

// --- applying ---

static bool has_pads(const struct recipe *recipe) {
  return recipe->pad_top || recipe->pad_right || recipe->pad_bottom || recipe->pad_left;
}

// The width that is wanted, in physical pixels; 0 when no hint says.
static uint32_t physical_width(const struct pop_hints *hints, uint32_t dpr_milli, const struct pop_tenant *tenant) {
  if (hints->width) return hints->width;
  if (!hints->viewport) return 0;
  return snap_width(((uint64_t)hints->viewport * dpr_milli + DPR_UNIT - 1) / DPR_UNIT, tenant);
}

void pop_hints_apply(const struct pop_hints *hints, unsigned open, const struct pop_tenant *tenant,
                     struct recipe *recipe, uint32_t *used_dpr_milli) {
  const uint32_t told = open & POP_OPEN_DPR ? hints->dpr_milli : 0;
  *used_dpr_milli = 0;
  if (open & POP_OPEN_SIZE) {
    const uint32_t dpr = told ? told : recipe->dpr_milli ? recipe->dpr_milli : DPR_UNIT;
    const uint32_t width = physical_width(hints, dpr, tenant);
    if (width) {
      *used_dpr_milli = told;
      // In physical pixels, so that all screens that want so many share a variant; but pads are CSS pixels.
      recipe->dpr_milli = has_pads(recipe) ? dpr : DPR_UNIT;
      recipe->width = (uint32_t)(((uint64_t)width * DPR_UNIT + recipe->dpr_milli / 2) / recipe->dpr_milli);
      recipe->width = (uint32_t)base_min_u64(recipe->width ? recipe->width : 1, IMAGE_MAX_BOX_SIDE);
    }
  } else if (told) {
    *used_dpr_milli = told;
    recipe->dpr_milli = told;
  }
  if (!(open & POP_OPEN_QUALITY)) return;
  if (hints->network == POP_NETWORK_MEDIUM) recipe->quality = MEDIUM_QUALITY;
  if (hints->network == POP_NETWORK_SLOW) recipe->quality = SLOW_QUALITY;
}
