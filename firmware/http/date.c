#include "http/date.h"

#include <stdio.h>
#include <string.h>

#include "chars.h"

enum { DAY_S = 24 * 60 * 60, RFC_850_FUTURE_YEARS = 50, NAME_CHARS = 3 };
static const int64_t MAX_FORMATTED_S = INT64_C(253402300799);  // 9999-12-31T23:59:59Z

static const char *const DAYS[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct civil {
  int year;
  int month;  // 1..12
  int day;    // 1..31
  int hour, minute, second;
};

// Days from 1970-01-01 in the proleptic Gregorian calendar. Years begin in March here, so that the leap day is
// a year's last; 400 years are 146,097 days.
static int64_t days_of_civil(const struct civil *date) {
  int64_t year = date->month <= 2 ? date->year - 1 : date->year;
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  int64_t year_of_era = year - era * 400;
  int64_t day_of_year = (153 * ((date->month + 9) % 12) + 2) / 5 + date->day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

static int64_t seconds_of_civil(const struct civil *date) {
  return days_of_civil(date) * DAY_S + date->hour * 3600 + date->minute * 60 + date->second;
}

// The inverse, for seconds that are not negative.
static struct civil civil_of_seconds(int64_t unix_s) {
  int64_t days = unix_s / DAY_S + 719468;
  int second_of_day = (int)(unix_s % DAY_S);
  int64_t day_of_era = days % 146097;
  int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int day_of_year = (int)(day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
  int month_from_march = (5 * day_of_year + 2) / 153;
  int month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  return (struct civil){
      .year = (int)(days / 146097 * 400 + year_of_era + (month <= 2)),
      .month = month,
      .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
      .hour = second_of_day / 3600,
      .minute = second_of_day / 60 % 60,
      .second = second_of_day % 60,
  };
}

void http_date_format(int64_t unix_s, char *out, size_t capacity) {
  BASE_ASSERT(capacity > HTTP_DATE_CHARS);
  if (unix_s < 0) unix_s = 0;
  if (unix_s > MAX_FORMATTED_S) unix_s = MAX_FORMATTED_S;
  struct civil date = civil_of_seconds(unix_s);
  const char *day_name = DAYS[(unix_s / DAY_S + 4) % 7];  // 1970-01-01 was a Thursday
  (void)snprintf(out, capacity, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", day_name, date.day,
                 MONTHS + NAME_CHARS * (date.month - 1), date.year, date.hour, date.minute, date.second);
}

static bool take_text(struct base_span *rest, struct base_span text) {
  if (!base_span_equal(base_span_slice(*rest, 0, text.bytes), text)) return false;
  *rest = base_span_slice(*rest, text.bytes, rest->bytes);
  return true;
}

static bool take(struct base_span *rest, const char *text) { return take_text(rest, base_span_text(text)); }

static bool take_digits(struct base_span *rest, size_t count, int *out) {
  if (rest->bytes < count) return false;
  int number = 0;
  for (size_t i = 0; i < count; i++) {
    if (!http_char_is(rest->data[i], HTTP_CHAR_DIGIT)) return false;
    number = number * 10 + (rest->data[i] - '0');
  }
  *rest = base_span_slice(*rest, count, rest->bytes);
  *out = number;
  return true;
}

static bool take_day_name(struct base_span *rest, bool is_full) {
  for (size_t i = 0; i < sizeof DAYS / sizeof *DAYS; i++) {
    if (take_text(rest, base_span_of(DAYS[i], is_full ? strlen(DAYS[i]) : NAME_CHARS))) return true;
  }
  return false;
}

static bool take_month(struct base_span *rest, int *out) {
  for (int month = 1; month <= 12; month++) {
    *out = month;
    if (take_text(rest, base_span_of(MONTHS + NAME_CHARS * (month - 1), NAME_CHARS))) return true;
  }
  return false;
}

static bool take_time(struct base_span *rest, struct civil *date) {
  return take_digits(rest, 2, &date->hour) && take(rest, ":") && take_digits(rest, 2, &date->minute) &&
         take(rest, ":") && take_digits(rest, 2, &date->second);
}

// Sun, 06 Nov 1994 08:49:37 GMT
static bool parse_imf(struct base_span rest, struct civil *date) {
  return take_day_name(&rest, false) && take(&rest, ", ") && take_digits(&rest, 2, &date->day) && take(&rest, " ") &&
         take_month(&rest, &date->month) && take(&rest, " ") && take_digits(&rest, 4, &date->year) &&
         take(&rest, " ") && take_time(&rest, date) && take(&rest, " GMT") && rest.bytes == 0;
}

// Sun Nov  6 08:49:37 1994
static bool parse_asctime(struct base_span rest, struct civil *date) {
  if (!take_day_name(&rest, false) || !take(&rest, " ") || !take_month(&rest, &date->month)) return false;
  if (!take(&rest, " ") || !take_digits(&rest, take(&rest, " ") ? 1 : 2, &date->day)) return false;
  return take(&rest, " ") && take_time(&rest, date) && take(&rest, " ") && take_digits(&rest, 4, &date->year) &&
         rest.bytes == 0;
}

// Sunday, 06-Nov-94 08:49:37 GMT
static bool parse_rfc850(struct base_span rest, struct civil *date) {
  return take_day_name(&rest, true) && take(&rest, ", ") && take_digits(&rest, 2, &date->day) && take(&rest, "-") &&
         take_month(&rest, &date->month) && take(&rest, "-") && take_digits(&rest, 2, &date->year) &&
         take(&rest, " ") && take_time(&rest, date) && take(&rest, " GMT") && rest.bytes == 0;
}

// The latest century that keeps the date within 50 years from now (RFC 9110 5.6.7).
static void resolve_century(struct civil *date, int64_t now_s) {
  if (now_s < 0) now_s = 0;
  if (now_s > MAX_FORMATTED_S) now_s = MAX_FORMATTED_S;
  struct civil latest = civil_of_seconds(now_s);
  latest.year += RFC_850_FUTURE_YEARS;
  date->year += latest.year / 100 * 100;
  if (seconds_of_civil(date) > seconds_of_civil(&latest)) date->year -= 100;
}

static bool is_valid(const struct civil *date) {
  static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool is_leap = (date->year % 4 == 0 && date->year % 100 != 0) || date->year % 400 == 0;
  int days = month_days[date->month - 1] + (date->month == 2 && is_leap);
  // Second 60 is a leap second, which Unix time folds into the next minute.
  return date->day >= 1 && date->day <= days && date->hour <= 23 && date->minute <= 59 && date->second <= 60;
}

bool http_date_parse(struct base_span text, int64_t now_s, int64_t *out_unix_s) {
  struct civil date = {0};
  if (parse_rfc850(text, &date)) {
    resolve_century(&date, now_s);
  } else if (!parse_imf(text, &date) && !parse_asctime(text, &date)) {
    return false;
  }
  if (!is_valid(&date)) return false;
  *out_unix_s = seconds_of_civil(&date);
  return true;
}
