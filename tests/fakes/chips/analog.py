"""A voltage behind a divider, at an ADC pin. The noise is the ADC's."""


def attach(setting, world, sim):
    name = setting["name"]
    r1, r2 = setting.get("r1", 0), setting.get("r2", 1)

    def microvolts():
        return int(world.get("battery", name) * 1000000 * r2 / (r1 + r2))

    sim.adc_attach(setting["pin"], microvolts, name)
