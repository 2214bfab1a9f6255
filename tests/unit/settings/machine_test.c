#include "settings_text.h"

static struct settings own, wanted;

static void nothing_is_another_machines_when_only_policies_differ(void **state) {
  (void)state;
  must_parse("[cache]\nram = 64M\n", &own);
  must_parse(
      "[cache]\nram = 32M\ndisk = 1G\n[rules]\nsize = alert\n[delivery]\npublic_url = https://img.example\n"
      "[tenant shop]\nhosts = img.example\n",
      &wanted);
  assert_null(settings_other_machine(&own, &wanted));
}

static void folders_addresses_devices_and_the_appliance_are_a_machines_own(void **state) {
  (void)state;
  static const struct {
    const char *text, *key;
  } cases[] = {
      {"[pixpop]\ndata = /srv/x\n", "pixpop.data"},
      {"[console]\nlisten = 0.0.0.0:443\n", "console.listen"},
      {"[console]\ntls = off\n", "console.tls"},
      {"[console]\nclaim_file = /x\n", "console.claim_file"},
      {"[delivery]\nlisten = 0.0.0.0:80\n", "delivery.listen"},
      {"[delivery]\ntls_listen = 0.0.0.0:443\n", "delivery.tls_listen"},
      {"[delivery]\ntls_certificate = /x.pem\n", "delivery.tls_certificate"},
      {"[render]\nresampler = cpu\n", "render.resampler"},
      {"[render]\ndevice = 1\n", "render.device"},
      {"[decoder]\npath = /x\n", "decoder.path"},
      {"[decoder]\nuid = 7\n", "decoder.uid"},
      {"[decoder]\nrequire_isolation = off\n", "decoder.require_isolation"},
      {"[system]\nsocket = /x\n", "system.socket"},
      {"[system]\nlog_folder = /x\n", "system.log_folder"},
      {"[system]\nsettings_file = /x\n", "system.settings_file"},
  };
  must_parse("", &own);
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    must_parse(cases[i].text, &wanted);
    assert_string_equal(settings_other_machine(&own, &wanted), cases[i].key);
    assert_string_equal(settings_other_machine(&wanted, &own), cases[i].key);
    assert_null(settings_other_machine(&wanted, &wanted));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_another_machines_when_only_policies_differ),
      cmocka_unit_test(folders_addresses_devices_and_the_appliance_are_a_machines_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
